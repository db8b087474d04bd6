#!/usr/bin/env bash
# Three acts on one question: what does a dual-ToR, dual-plane fabric buy?
set -euo pipefail
cd "$(dirname "$0")"
weft="${WEFT:-weft}"

act() { printf '\n=== %s\n\n' "$1"; }

act "(a) 448 GPUs: one HPN segment against 3.5 DCN+ segments, ring all-gather"
"$weft" compare a-hpn.yaml a-dcn-plus.yaml
act "(a) the same, ring all-reduce"
"$weft" compare a-hpn-all-reduce.yaml a-dcn-plus-all-reduce.yaml

act "(b) 512 GPUs over two segments: typical Clos against dual-plane, 4 QPs"
"$weft" compare b-clos.yaml b-dual-plane.yaml
for order in alternating natural; do
  for qps in 1 2 4 8 16; do
    act "(b) $order ring order, $qps QPs"
    "$weft" compare b-clos.yaml b-dual-plane.yaml --set rdma.qps=$qps \
      --set workload.collective.ring_order=$order
  done
done
act "(b) the host's port by hash in place of by QP"
"$weft" compare b-clos.yaml b-dual-plane.yaml --set routing.host_port=hash

act "(c) one NIC-ToR link fails in mid-run and is repaired"
"$weft" compare c-dual-tor.yaml c-moved.yaml c-not-moved.yaml c-single-tor.yaml
act "(c) what that costs an iteration"
"$weft" compare c-healthy-once.yaml c-one-port.yaml
