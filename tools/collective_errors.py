#!/usr/bin/env python3
"""Checks what the pages say of collectives' times against measured tables: in docs/validation.md the
errors by class and by table, uncalibrated, and how well the sizes agree at which curves bend; in
docs/nccl.md the same medians alone; in docs/calibration.md the errors and the share inside the stated interval of tables held out, under the
calibration that is used where none is named.

    tools/collective_errors.py --weft build/weft [--update] [TABLES.tsv]

TABLES.tsv lists measured tables, as `weft validate` reads lists (docs/calibration.md), with a column
`source`; the tables themselves are not weft's to hand on. Without it INDEX.tsv of the folder that
WEFT_NCCL_TABLES names, or that lies beside the checkout; where there is none: skipped, with status 77.
"""

import argparse
import csv
import difflib
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

from source import ROOT

SKIPPED = 77
TABLES = pathlib.Path(os.environ.get("WEFT_NCCL_TABLES", ROOT.parent / "shared" / "data" / "nccl"))
BANDS = (64 << 10, 1 << 20, 64 << 20)
NAMES = ("64 KiB", "1 MiB", "64 MiB")
# What weft holds itself to, %: the median over tables, by band; None: none.
LIMITS = {"one host": (15, 14, 10), "several hosts, ib or roce": (12, 10, 8),
          "several hosts, efa": (None, None, 25), "several hosts, slingshot": (None, None, 25)}
WHY = {"one host": "what launches and small steps cost differs from site to site by more than the "
                   "constants of a generation say",
       "several hosts, ib or roce": "hosts whose launch takes 40 us where others take 5",
       "several hosts, efa": "four hosts of B200 whose every operation is timed alone, which explains "
                             "a part of it; an excerpt with the software of 2023",
       "several hosts, slingshot": "LL through libfabric is measured six times slower than any "
                                   "latency would make it"}

# Why curves bend elsewhere, of classes where many do.
BEND_WHY = {"one host": "what the smallest sizes take differs from site to site; Volta",
            "several hosts, ib or roce": "ten hosts of eight H100 gather and reduce-scatter below "
                                         "1 GiB at half the rate that rings over one or two GPUs "
                                         "a host reach on the same network",
            "several hosts, efa": "four hosts of B200 whose every operation is timed alone, which "
                                  "explains a part of it",
            "several hosts, slingshot": "measured curves fall themselves: four to 32 hosts take "
                                        "longer for 1 MiB a rank by a ring than for two, and LL "
                                        "of 64 KiB to 1 MiB takes up to ten times a rendezvous; "
                                        "Polaris's smallest sizes grow 1.6 to 1.9 times where "
                                        "2 counts as a bend"}


def percent(value):
    # A share that rounds to nothing has no sign: -0.0 + 0.0 is 0.0.
    return "-" if value is None else f"{round(100 * value, 1) + 0.0:.1f} %"


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


def uncalibrated(result, sources):
    """docs/validation.md: the errors under the priors, to which nothing is fitted."""
    healthy = [t for t in result["tables"] if t.get("label") == "healthy"]
    lines = class_lines(result["overall"]["classes"])
    lines += ["", "Where curves bend, simulated over measured size:", ""] + bend_lines(healthy)
    lines += ["", "| op | ranks | points | from 64 KiB | 1 MiB | 64 MiB | table |",
              "| --- | --- | --- | --- | --- | --- | --- |"]
    known = [table_line(t, sources.get(t["file"], t["file"])) for t in healthy]
    return lines + [line for line in known if line]


def medians(result, _):
    """docs/nccl.md: of docs/validation.md's errors by class the medians."""
    by_class = {}
    for row in result["overall"]["classes"]:
        by_class.setdefault(row["class"], {})[row["from_bytes"]] = row
    lines = ["| class | tables | from 64 KiB | from 1 MiB | from 64 MiB |",
             "| --- | --- | --- | --- | --- |"]
    for name, bands in by_class.items():
        rows = [bands.get(band, {}) for band in BANDS]
        tables = max(row.get("tables", 0) for row in rows)
        lines.append(f"| {name} | {tables} | "
                     f"{' | '.join(percent(row.get('median_error')) for row in rows)} |")
    return lines


def held_out(result, _):
    """docs/calibration.md: of tables kept for checking the median errors, and the share of points
    in the stated interval."""
    by_class = {}
    for row in result["overall"]["held_out"]:
        by_class.setdefault(row["class"], {})[row["from_bytes"]] = row
    lines = ["| class | tables | from 64 KiB | from 1 MiB | from 64 MiB | in the 90 % interval |",
             "| --- | --- | --- | --- | --- | --- |"]
    for name, bands in by_class.items():
        rows = [bands.get(band, {}) for band in BANDS]
        medians = " | ".join(percent(row.get("median_error")) for row in rows)
        inside = ", ".join(percent(row.get("in_band")) for row in rows)
        tables = max(row.get("tables", 0) for row in rows)
        lines.append(f"| {name} | {tables} | {medians} | {inside} |")
    return lines


# What is written where: page, name of the block, what it says, further arguments.
BLOCKS = (("validation.md", "collective_errors", uncalibrated, ["--calibration", "none"]),
          ("nccl.md", "nccl_errors", medians, ["--calibration", "none"]),
          ("calibration.md", "held_out", held_out, []))


def judged(weft, tables, further):
    run = subprocess.run([weft, "validate", tables, "--json", "-"] + further, check=False,
                         capture_output=True, text=True)
    if not run.stdout:
        sys.exit(f"collective_errors: {run.stderr.strip()}")
    return json.loads(run.stdout)


def with_block(whole, name, lines):
    """`whole` with `lines` between the two comments that name the block."""
    begin = f"<!-- {name}: from here on written by tools/collective_errors.py -->\n"
    end = f"<!-- {name}: up to here -->\n"
    before, rest = whole.split(begin)
    after = rest.split(end)[1]
    return before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weft", required=True)
    parser.add_argument("--update", action="store_true", help="write instead of checking")
    parser.add_argument("tables", nargs="?", default=TABLES / "INDEX.tsv")
    args = parser.parse_args()
    weft = os.path.abspath(args.weft)
    if not os.path.exists(args.tables):
        print(f"skipped: no measured tables at {args.tables}")
        return SKIPPED
    with open(args.tables, encoding="utf-8") as listed:
        sources = {row["file"]: row["source"] for row in csv.DictReader(listed, delimiter="\t")}
    stale, results = False, {}
    for page, name, lines, further in BLOCKS:
        path = ROOT / "docs" / page
        was = path.read_text(encoding="utf-8")
        key = tuple(further)
        if key not in results:
            results[key] = judged(weft, args.tables, further)
        now = with_block(was, name, lines(results[key], sources))
        if args.update:
            path.write_text(now, encoding="utf-8")
            continue
        stale |= now != was
        sys.stdout.writelines(difflib.unified_diff(
            was.splitlines(True), now.splitlines(True), f"docs/{page}", "what the tables say"))
    if stale:
        print("collective_errors: run it with --update and commit what it writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
