#!/usr/bin/env bash
# Three acts on one question: what does a dual-ToR, dual-plane fabric buy?
set -euo pipefail
cd "$(dirname "$0")"
weft="${WEFT:-weft}"

act() { printf '\n=== %s\n\n' "$1"; }

act "(a) 448 GPUs: one HPN segment against 3.5 DCN+ segments, ring all-gather"
"$weft" compare scenario-a-hpn.yaml scenario-a-dcn-plus.yaml
act "(a) the same, ring all-reduce"
"$weft" compare scenario-a-hpn-all-reduce.yaml scenario-a-dcn-plus-all-reduce.yaml

act "(b) 512 GPUs over two segments: typical Clos against dual-plane, 4 QPs"
"$weft" compare scenario-b-clos.yaml scenario-b-dual-plane.yaml
act "(b) what the gain hangs on: ring order and QPs a connection"
"$weft" compare scenario-b-clos.yaml scenario-b-dual-plane.yaml \
  --vary workload.collective.ring_order=alternating,natural --vary rdma.qps=1,2,4,8,16
act "(b) who chooses the host's port: by QP in turn, or by hash"
"$weft" compare scenario-b-clos.yaml scenario-b-dual-plane.yaml --vary routing.host_port=by_qp,hash

act "(c) one NIC-ToR link fails in mid-run and is repaired"
"$weft" compare scenario-c-dual-tor.yaml scenario-c-moved.yaml scenario-c-not-moved.yaml scenario-c-single-tor.yaml
act "(c) what that costs an iteration"
"$weft" compare scenario-c-healthy-once.yaml scenario-c-one-port.yaml
