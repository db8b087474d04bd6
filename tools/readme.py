#!/usr/bin/env python3
"""Runs every console block of README.md and docs/: what it shows must be what is printed.

    tools/readme.py --weft build/weft

In a block marked ```console, a line `$ …` is a command, run from the repository's root with
weft in PATH (a `\\` at its end goes on); the lines after it are its output, both streams. A
line `…` alone stands for any lines. A block marked ```console no-run is not run.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from golden import TIMEOUT_S, environment
from source import ROOT

BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
ELIDED = "…"


def transcripts(text):
    """(line, command, lines shown) of every command in the console blocks of `text`."""
    for block in BLOCK.finditer(text):
        number = text.count("\n", 0, block.start(1))
        steps, going_on = [], False
        for line in block.group(1).splitlines():
            number += 1
            if going_on:
                steps[-1][1] += "\n" + line
            elif line.startswith("$ "):
                steps.append([number, line[2:], []])
            elif steps:
                steps[-1][2].append(line)
            else:
                steps.append([number, "false", ["a block starts with a line `$ …`"]])
            going_on = (going_on or line.startswith("$ ")) and line.endswith("\\")
        yield from steps


def matches(shown, printed):
    parts = [r"(?:.*\n)*?" if line == ELIDED else re.escape(line) + r"\n" for line in shown]
    return re.fullmatch("".join(parts), printed) is not None


def run(command, root, weft, out):
    done = subprocess.run(
        ["bash", "-c", command.replace("build/weft", str(weft))], cwd=root,
        env=environment(weft, out), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
    text = done.stdout.decode(errors="backslashreplace")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n" if text else ""


def check(root, weft):
    """(how many commands, what is wrong) in the pages of `root`."""
    count, wrong = 0, []
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for line, command, shown in transcripts(page.read_text()):
            with tempfile.TemporaryDirectory() as out:
                printed = run(command, root, weft, out)
            count += 1
            if not matches(shown, printed):
                wrong.append(f"{page.relative_to(root)}:{line}: `{command}` prints\n{printed}"
                             "--- and not\n" + "".join(f"{text}\n" for text in shown))
    return count, wrong


def main():
    parser = argparse.ArgumentParser(description="Runs the console blocks of the documentation.")
    parser.add_argument("--weft", type=pathlib.Path, required=True, help="the program")
    count, wrong = check(ROOT, parser.parse_args().weft.resolve())
    sys.stdout.write("".join(wrong))
    print(f"readme: {count - len(wrong)} as shown, {len(wrong)} not")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
