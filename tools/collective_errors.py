#!/usr/bin/env python3
"""Writes the errors of collectives' times, by class and by table, and how well the sizes agree at
which curves bend, into docs/validation.md.

    tools/collective_errors.py --weft build/weft TABLES.tsv

TABLES.tsv lists measured tables, as `weft validate` reads lists (docs/calibration.md), with a column
`source`; the tables themselves are not weft's to hand on. Constants are the priors: nothing is fitted.
No test runs this, for the tables are not here; of docs/validation.md `./dev docs` checks all other tables.
"""

import argparse
import csv
import json
import math
import os
import pathlib
import statistics
import subprocess

from source import ROOT

BANDS = (64 << 10, 1 << 20, 64 << 20)
NAMES = ("64 KiB", "1 MiB", "64 MiB")
# What weft holds itself to, %: the median over tables, by band; None: none.
LIMITS = {"one host": (15, 14, 10), "several hosts, ib or roce": (12, 10, 8),
          "several hosts, efa": (None, None, 25), "several hosts, slingshot": (None, None, 25)}
WHY = {"one host": "what launches and small steps cost differs from site to site by more than the "
                   "constants of a generation say",
       "several hosts, ib or roce": "hosts whose launch takes 40 us where others take 5",
       "several hosts, efa": "2 x 8 H100 with 32 NICs: Amazon's tuner takes NVLSTree, NCCL's model a "
                             "tree; below 64 MiB libfabric's start-up",
       "several hosts, slingshot": "LL through libfabric is measured six times slower than any "
                                   "latency would make it"}

# Why curves bend elsewhere, of classes where many do.
BEND_WHY = {"one host": "what the smallest sizes take differs from site to site; Volta",
            "several hosts, ib or roce": "ten hosts of eight H100 gather and reduce-scatter below "
                                         "1 GiB at half the rate that rings over one or two GPUs "
                                         "a host reach on the same network",
            "several hosts, efa": "a step takes 75 us by the plugin, which A100 hosts need and "
                                  "H100 hosts need a third of; an excerpt with the software of "
                                  "2023",
            "several hosts, slingshot": "measured curves fall themselves: four to 32 hosts take "
                                        "longer for 1 MiB a rank by a ring than for two, and LL "
                                        "of 64 KiB to 1 MiB takes up to ten times a rendezvous; "
                                        "Polaris's smallest sizes grow 1.6 to 1.9 times where "
                                        "2 counts as a bend"}


def percent(value):
    return "-" if value is None else f"{100 * value:.1f} %"


def class_lines(classes):
    """A line a class and band, with the limit and, above it, the reason."""
    lines = ["| class | from | tables | points | median | 95th percentile of points | bias | limit |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    above = set()
    for row in classes:
        band = BANDS.index(row["from_bytes"])
        limit = LIMITS.get(row["class"], (None,) * 3)[band]
        if limit is not None and 100 * row["median_error"] > limit:
            above.add(row["class"])
        lines.append(f"| {row['class']} | {NAMES[band]} | {row['tables']} | {row['points']} | "
                     f"{percent(row['median_error'])} | {percent(row['p95_error'])} | "
                     f"{percent(row['bias'])} | {'-' if limit is None else f'{limit} %'} |")
    lines.append("")
    if above:
        lines += [f"Above its limit: {name}: {WHY[name]}." for name in sorted(above)]
    else:
        lines.append("No class is above its limit. What most of the rest is:")
        lines += [f"{name}: {why}." for name, why in WHY.items()]
    return lines


def table_line(table, source):
    errors = [[abs(p["simulated_us"] / p["measured_us"] - 1) for p in table["points"]
               if p["bytes"] >= band] for band in BANDS]
    if not errors[0]:
        return None
    ranks = sorted({p["ranks"] for p in table["points"]})
    medians = " | ".join(percent(statistics.median(e) if e else None) for e in errors)
    return (f"| {table['op']} | {', '.join(map(str, ranks))} | {len(errors[0])} | {medians} | "
            f"{source} |")


def size_at(sizes, values, level):
    """The size from which on `values` stay above `level`, between two by logarithms; None: they
    never pass it inside the curve."""
    below = [i for i, value in enumerate(values) if value < level]
    if not below or below[-1] + 1 == len(sizes):
        return None
    i = below[-1]
    share = math.log(level / values[i]) / math.log(values[i + 1] / values[i])
    return sizes[i] * (sizes[i + 1] / sizes[i]) ** share


def plateau(sizes, us):
    """What the smallest sizes take: the median, for the first of a run is often slow."""
    return statistics.median([t for s, t in zip(sizes, us) if s <= 1 << 10] or us[:1])


def rate_from(share):
    """Finds the size from which on a curve has that share of its highest rate."""
    def find(sizes, us):
        rates = [size / time for size, time in zip(sizes, us)]
        return size_at(sizes, rates, share * max(rates))
    return find


def end_of_plateau(sizes, us):
    """Finds the size from which on a curve takes twice what its smallest sizes do."""
    return size_at(sizes, us, 2 * plateau(sizes, us)) if sizes[0] <= 8 << 10 else None


# Where a curve of times over sizes bends: what is looked for and how it is found.
BENDS = (("time twice that up to 1 KiB, of the smallest if that is up to 8 KiB", end_of_plateau),
         ("half of the curve's highest rate", rate_from(0.5)),
         ("80 % of the curve's highest rate", rate_from(0.8)))


def curves(tables):
    """(class, sizes, measured, simulated) of every table and number of ranks with six sizes."""
    for table in tables:
        by_ranks = {}
        for point in table["points"]:
            by_ranks.setdefault((point["ranks"], point["hosts"]), {})[point["bytes"]] = point
        for points in by_ranks.values():
            sizes = sorted(points)
            if len(sizes) >= 6:
                yield (table["class"], sizes, [points[s]["measured_us"] for s in sizes],
                       [points[s]["simulated_us"] for s in sizes])


def bend_lines(tables):
    """A line a class and bend: simulated over measured size."""
    lines = ["| class | size from which on | curves | within a factor of 2 | median | "
             "10th to 90th percentile |", "| --- | --- | --- | --- | --- | --- |"]
    found = {}
    for name, sizes, measured, simulated in curves(tables):
        for bend, (_, find) in enumerate(BENDS):
            is_, should = find(sizes, simulated), find(sizes, measured)
            if is_ and should:
                found.setdefault((name, bend), []).append(is_ / should)
    for name in LIMITS:
        for bend, (what, _) in enumerate(BENDS):
            ratios = sorted(found.get((name, bend), []))
            if not ratios:
                continue
            inside = sum(0.5 <= r <= 2 for r in ratios)
            low, high = (ratios[round(q * (len(ratios) - 1))] for q in (0.1, 0.9))
            lines.append(f"| {name} | {what} | {len(ratios)} | {inside} | "
                         f"{statistics.median(ratios):.2f} | {low:.2f} to {high:.2f} |")
    lines += ["", "What most of those outside are:"]
    return lines + [f"{name}: {why}." for name, why in BEND_WHY.items()]


def text(weft, tables):
    out = subprocess.run([weft, "validate", tables, "--calibration", "none", "--json", "-"],
                         check=False, capture_output=True).stdout
    result = json.loads(out)
    with open(tables, encoding="utf-8") as listed:
        rows = list(csv.DictReader(listed, delimiter="\t"))
    sources = {row["file"]: row["source"] for row in rows}
    healthy = [t for t in result["tables"] if t.get("label") == "healthy"]
    lines = class_lines(result["overall"]["classes"])
    lines += ["", "Where curves bend, simulated over measured size:", ""] + bend_lines(healthy)
    lines += ["", "| op | ranks | points | from 64 KiB | 1 MiB | 64 MiB | table |",
              "| --- | --- | --- | --- | --- | --- | --- |"]
    known = [table_line(t, sources.get(t["file"], t["file"])) for t in healthy]
    lines += [line for line in known if line]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weft", required=True)
    parser.add_argument("tables")
    args = parser.parse_args()
    page = ROOT / "docs" / "validation.md"
    whole = page.read_text(encoding="utf-8")
    begin = "<!-- collective_errors: from here on written by tools/collective_errors.py -->\n"
    end = "<!-- collective_errors: up to here -->\n"
    before, rest = whole.split(begin)
    after = rest.split(end)[1]
    weft = os.path.abspath(args.weft)
    page.write_text(before + begin + "\n" + text(weft, args.tables) + "\n" + end + after,
                    encoding="utf-8")
    print(pathlib.Path(page).name)


main()
