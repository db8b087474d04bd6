#!/usr/bin/env python3
"""Checks that docs/cli.md and docs/formats/ are what the program would write (`./dev docs`).

    tools/docs.py --weft build/weft
"""

import argparse
import difflib
import pathlib
import subprocess
import sys
import tempfile

from source import ROOT


GENERATED = "Written by `./dev docs`"


def pages(folder):
    """Text of the generated pages under `folder`, by name; the others are nobody's business."""
    texts = {path.relative_to(folder).as_posix(): path.read_text()
             for path in folder.rglob("*.md")}
    return {name: text for name, text in texts.items() if GENERATED in text}


def main():
    parser = argparse.ArgumentParser(description="Checks the generated documentation.")
    parser.add_argument("--weft", type=pathlib.Path, required=True, help="the program")
    weft = parser.parse_args().weft.resolve()
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([weft, "docs", out], check=True)
        written, committed = pages(pathlib.Path(out)), pages(ROOT / "docs")
    for name in sorted(written.keys() | committed.keys()):
        sys.stdout.writelines(difflib.unified_diff(
            committed.get(name, "").splitlines(True), written.get(name, "").splitlines(True),
            f"docs/{name}", "what weft would write"))
    if written != committed:
        print("docs: run ./dev docs and commit what it writes")
    return 1 if written != committed or not written else 0


if __name__ == "__main__":
    sys.exit(main())
