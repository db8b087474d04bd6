#!/usr/bin/env python3
"""HPN's Fig 17a and 17b beside weft: busbw in GB/s, median [5 %, 95 %] over 32 hash seeds.

The paper's columns are read off its figure (3 %). "NCCL" runs what NCCL 2.28 chooses, "ring" its
ring, forced.

What NVLS and trees change against the ring: start-up (110 steps of a ring between hosts against 10
of a tree) up to some 256 MiB; at 4 GiB 4 %, for both are bound by the H800's NVLink. That is why
weft sees no gain of HPN here: the fabrics are not what binds, and one job's flows collide too little.
The paper's DCN+ stops at 129 GB/s from 256 MiB on, which weft does not explain.
"""

import json
import os
import subprocess

SIZES = ["1 MiB", "4 MiB", "16 MiB", "64 MiB", "256 MiB", "1 GiB", "4 GiB"]
PAPER = {"all_reduce": {"hpn": [9, 28, 55, 107, 147, 184, 206],
                        "dcn-plus": [8, 21, 49, 103, 126, 128, 129]},
         "all_gather": {"hpn": [None] * 6 + [147], "dcn-plus": [None] * 6 + [141]}}


def rows(fabric, op, *sets):
    """The collectives of a run, a size each."""
    command = [os.environ.get("WEFT", "weft"), "simulate", f"{fabric}.yaml", "--json", "-",
               "--quiet", "--set", f"workload.collective.op={op}"]
    for one in sets:
        command += ["--set", one]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["collectives"]


def busbw(row):
    rate = row["busbw_GBps"]
    return f"{rate['median']:.1f} [{rate['p5']:.1f}, {rate['p95']:.1f}]"


def print_table(op, figure):
    print(f"### {op}, HPN Fig {figure}\n")
    print("| size | HPN paper | NCCL | what runs | ring | DCN+ paper | NCCL | ring | gain paper "
          "| NCCL | ring |")
    print("| --- " * 11 + "|")
    ring = "collectives.algorithm=Ring"
    runs = {(fabric, sets): rows(fabric, op, *sets)
            for fabric in ("hpn", "dcn-plus") for sets in ((), (ring,))}
    for i, size in enumerate(SIZES):
        hpn, old = runs["hpn", ()][i], runs["dcn-plus", ()][i]
        hpn_ring, old_ring = runs["hpn", (ring,)][i], runs["dcn-plus", (ring,)][i]
        paper = [PAPER[op][fabric][i] for fabric in ("hpn", "dcn-plus")]
        gain = "-" if None in paper else f"{100 * (paper[0] / paper[1] - 1):+.0f} %"
        ours = [f"{100 * (a['busbw_GBps']['median'] / b['busbw_GBps']['median'] - 1):+.0f} %"
                for a, b in ((hpn, old), (hpn_ring, old_ring))]
        what = f"{hpn['algorithm']} {hpn['protocol']} x{hpn['channels']}"
        print(f"| {size} | {paper[0] or '-'} | {busbw(hpn)} | {what} | {busbw(hpn_ring)} | "
              f"{paper[1] or '-'} | {busbw(old)} | {busbw(old_ring)} | {gain} | {ours[0]} | "
              f"{ours[1]} |")
    print()


print_table("all_reduce", "17a")
print_table("all_gather", "17b")
