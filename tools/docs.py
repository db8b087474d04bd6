#!/usr/bin/env python3
"""Checks the generated documentation (`./dev docs`): docs/cli.md and docs/formats/, which the
program writes, and the tables of docs/validation.md, which programs of the tests print.

    tools/docs.py --weft build/weft --table build/sim/coupling_table

--update writes them instead.
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

from source import ROOT


GENERATED = "Written by `./dev docs`"
VALIDATION = "validation.md"


def pages(folder):
    """Text of the generated pages under `folder`, by name; the others are nobody's business."""
    texts = {path.relative_to(folder).as_posix(): path.read_text()
             for path in folder.rglob("*.md")}
    return {name: text for name, text in texts.items() if GENERATED in text}


def with_slow_rows(quick, committed):
    """The rows of `quick` in place of those of `committed` with the same first cell: the other
    rows take seconds each, and stay."""
    def cell(line):
        return line.split("|")[1] if line.startswith("| ") else line

    rows = {cell(line): line for line in quick.splitlines()}
    kept = [rows.pop(cell(line), line) for line in committed.strip("\n").splitlines()]
    return "\n".join(kept + list(rows.values())) + "\n"


def with_tables(text, programs, weft, quick):
    """`text` with what each program prints between the two comments that name it, and between
    those of `published` what `weft validate --published` prints: `quick`, its quick rows."""
    commands = {program.name: [program.resolve()] for program in programs}
    commands["published"] = [weft, "validate", "--published"] + (["--quick"] if quick else [])
    for name, command in commands.items():
        run = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE)
        if run.returncode != 0:
            sys.exit(f"docs: {name} failed")
        block = re.compile(rf"(^<!-- {name}: from [^\n]*\n)(.*?)(^<!-- {name}: up )", re.M | re.S)

        def written(found):
            slow = quick and name == "published"
            new = with_slow_rows(run.stdout, found[2]) if slow else run.stdout
            return f"{found[1]}\n{new}\n{found[3]}"

        text, count = block.subn(written, text)
        if count != 1:
            sys.exit(f"docs: {VALIDATION} has {count} places for {name}, should have one")
    return text


def main():
    parser = argparse.ArgumentParser(description="Checks the generated documentation.")
    parser.add_argument("--weft", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--table", type=pathlib.Path, action="append", default=[],
                        help="a program that prints tables of docs/validation.md")
    parser.add_argument("--update", action="store_true", help="write instead of checking")
    options = parser.parse_args()
    weft = options.weft.resolve()
    validation = (ROOT / "docs" / VALIDATION).read_text()
    if options.update:
        subprocess.run([weft, "docs", ROOT / "docs"], check=True)
        (ROOT / "docs" / VALIDATION).write_text(with_tables(validation, options.table, weft, False))
        return 0
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([weft, "docs", out], check=True)
        written, committed = pages(pathlib.Path(out)), pages(ROOT / "docs")
    written[VALIDATION] = with_tables(validation, options.table, weft, True)
    committed[VALIDATION] = validation
    for name in sorted(written.keys() | committed.keys()):
        sys.stdout.writelines(difflib.unified_diff(
            committed.get(name, "").splitlines(True), written.get(name, "").splitlines(True),
            f"docs/{name}", "what weft would write"))
    if written != committed:
        print("docs: run ./dev docs and commit what it writes")
    return 1 if written != committed or not written else 0


if __name__ == "__main__":
    sys.exit(main())
