#!/usr/bin/env python3
"""Back-tests: what weft would have bought where somebody built, as a Markdown table.

Every plan here has the catalogue, objective and assumptions that weft has for everyone; cases.json
says what was built, what is claimed of it, and which inputs the plan does not hold; it was fixed
before any plan was run. Inputs of tried_later.json came after the results were known: they are run
and printed apart, and count for nothing.

    backtests.py            the table, some minutes
    backtests.py --update   the same, into docs/validation.md
    backtests.py --check    whether every plan and every built design can still be read: seconds
"""

import json
import os
import pathlib
import re
import subprocess
import sys

WEFT = os.environ.get("WEFT", "weft")
SURE = 0.9


def plan(file, sets=(), screen_only=False):
    # Changed jobs are flips, of which no column speaks.
    command = [WEFT, "plan", file, "--json", "-", "--set", "decide.workload_runs=0"]
    command += ["--screen-only"] if screen_only else []
    for one in sets:
        command += ["--set", one]
    run = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE)
    if run.returncode not in (0, 1):
        sys.exit(f"backtests: {file} failed")
    return json.loads(run.stdout)


def ranking(report, built):
    return next((one for one in report["rankings"]
                 if built.startswith(one["accelerator"] + "/")), None)


def among_winners(report, built):
    one = ranking(report, built)
    return one is not None and (one["best"] == built or built in one["tie"])


def rank(report, built):
    """(rank, how many were ranked, its row); no rank where it is infeasible."""
    of = built.split("/")[0] + "/"
    rows = [row for row in report["candidates"] if row["id"].startswith(of)
            and row["p_first"] is not None]
    rows.sort(key=lambda row: row["usd_per_useful_pflop_day"]["mid"])
    mine = next((row for row in report["candidates"] if row["id"] == built), None)
    ids = [row["id"] for row in rows]
    return (ids.index(built) + 1 if built in ids else None), len(rows), mine


def claims(report, case):
    """[(against, P, whether it is as claimed)]"""
    if case["claim"] == "accelerator":
        one = report["answer"]["accelerator"]
        mine = case["built"].split("/")[0]
        p = next((r["p_accelerator"] for r in report["rankings"] if r["accelerator"] == mine), 0.0)
        first = among_winners(report, case["built"])
        others = [r["best"] for r in report["rankings"] if r["accelerator"] != mine]
        return [(other, p, p >= SURE and first and one["name"] == mine) for other in others]
    out = []
    for pair in report["pairs"]:
        if pair["a"] != case["built"]:
            continue
        p = pair["p_a"]
        out.append((pair["b"], p, p >= SURE if case["claim"] == "first" else 1 - SURE < p < SURE))
    return out


def unpaired(report, case):
    """What the built design would be held against, and why it cannot be built."""
    rows = [row for row in report["candidates"]
            if not row["feasible"] and row["id"] != case["built"]
            and any("compared" in role for role in row["roles"])]
    return "<br>".join(f"`{row['id']}` infeasible: {row['binding']['rule']} "
                       f"({row['binding']['said']})" for row in rows)


def tried(case, inputs):
    """[(why, what it does, whether it puts the built design among the winners)], one at a time."""
    out = []
    for one in inputs:
        again = plan(case["plan"], one["set"])
        wins = among_winners(again, case["built"])
        place, of, row = rank(again, case["built"])
        does = (f"{place} of {of}" if place is not None
                else f"infeasible: {row['binding']['rule']}" if row and not row["feasible"]
                else "not ranked")
        out.append((one["why"], does, wins))
    return out


def explained(report, case):
    """In words: what puts it among the winners, and what every input does."""
    if among_winners(report, case["built"]):
        return "as planned"
    inputs = tried(case, case["inputs"])
    first = next((why for why, _, wins in inputs if wins), "not explained")
    each = "; ".join(f"{why}: {does}" for why, does, _ in inputs)
    return f"{first}; one at a time: {each}" if each else first


def line(case):
    report = plan(case["plan"])
    built = case["built"]
    place, of, row = rank(report, built)
    title = report["plan"]
    turn = next((flip for flip in report["flips"] if flip["input"] == case.get("turn")), None)
    if place is None:
        said = f"infeasible: {row['binding']['rule']} ({row['binding']['said']})"
        return f"| {title} | `{built}` | | | | | {said}: not explained |"
    pairs = claims(report, case)
    against = "<br>".join(f"`{other}`" for other, _, _ in pairs) or unpaired(report, case)
    odds = "<br>".join(f"{p * 100:.0f} %{'' if met else ', missed'}" for _, p, met in pairs)
    why = explained(report, case)
    if "turn" in case:
        why += (f"; first until {turn['input']} is {turn['value'] * 100:.0f} %"
                if turn and among_winners(report, built)
                else f"; the first changes where {turn['input']} is {turn['value'] * 100:.0f} %"
                if turn else f"; no {case['turn']} changes the first")
    best = ranking(report, built)["best"]
    return (f"| {title} | `{built}` | {against} | {odds} | {place} of {of} | "
            f"{row['regret_usd'] / 1e6:.2f} | {why}{'' if place == 1 else f'; first is `{best}`'} |")


HEADER = """| back-test | built | against | P(built costs less) | rank | regret, MUSD | \
the input that puts it among the winners |
| --- | --- | --- | --- | --- | --- | --- |
"""


LATER = """
Tried after the results were known, one at a time; these count for nothing:

| back-test | input | rank of the built design | among the winners |
| --- | --- | --- | --- |
"""


def later(case, inputs):
    title = plan(case["plan"], screen_only=True)["plan"]
    return "".join(f"| {title} | {why} | {does} | {'yes' if wins else 'no'} |\n"
                   for why, does, wins in tried(case, inputs))


def check(case):
    report = plan(case["plan"], screen_only=True)
    row = next(row for row in report["candidates"] if row["id"] == case["built"])
    said = "" if row["feasible"] else f", infeasible: {row['binding']['rule']}"
    return f"{report['plan']}: {report['searched']['candidates']} candidates{said}"


def main():
    here = pathlib.Path(__file__).parent.resolve()
    os.chdir(here)
    cases = json.loads(pathlib.Path("cases.json").read_text())
    if "--check" in sys.argv:
        for case in cases:
            print(check(case), flush=True)
        return
    table = HEADER + "".join(line(case) + "\n" for case in cases)
    by_plan = {case["plan"]: case for case in cases}
    table += LATER + "".join(later(by_plan[one["plan"]], one["inputs"])
                             for one in json.loads(pathlib.Path("tried_later.json").read_text()))
    print(table, end="")
    if "--update" in sys.argv:
        page = here.parent.parent / "docs" / "validation.md"
        block = re.compile(r"(^<!-- backtests: from [^\n]*\n).*?(^<!-- backtests: up )", re.M | re.S)
        page.write_text(block.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}",
                                  page.read_text()))


if __name__ == "__main__":
    main()
