#!/usr/bin/env python3
"""Runs the golden tests: what weft prints must be, byte for byte, what is committed.

    tools/golden.py --weft build/weft [--update] [NAME...]

A case is a folder of tests/golden/ or examples/. Its `cmd`, a line for the shell, runs in
that folder with weft first in PATH, NO_COLOR=1, COLUMNS=80, no terminal, and an empty
folder $OUT for what it writes. Expected are

    expected.out   standard output; or expected.json, if cmd asks for `--json -`: one JSON
                   value, keys in order, compared without its `run` key
    expected.err   standard error
    rc             the exit status

A file that is not there stands for no output, or for status 0. --update writes what the
program does now; the reviewer reads the diff.
"""

import argparse
import concurrent.futures
import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from source import ROOT

TIMEOUT_S = 300


def cases(root, names):
    folders = [path for parent in ("tests/golden", "examples")
               for path in sorted((root / parent).glob("*")) if path.is_dir()]
    unknown = set(names) - {path.name for path in folders}
    if unknown:
        sys.exit(f"golden: no case named {', '.join(sorted(unknown))}")
    return [path for path in folders if not names or path.name in names]


def environment(weft, out):
    """One that is the same everywhere, but for where programs are."""
    path = f"{weft.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"PATH": path, "WEFT": str(weft), "OUT": out, "HOME": out, "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}


def without_run(text):
    """`text`, a JSON value, laid out anew without its top-level `run`; as it is if no JSON."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(value, dict):
        value.pop("run", None)
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def observe(folder, weft):
    """What the case prints and leaves now, by the names of the expected files."""
    command = (folder / "cmd").read_text()
    before = set(folder.rglob("*"))
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder,
                              env=environment(weft, out), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=TIMEOUT_S, check=False)
    output, errors = (stream.decode(errors="backslashreplace")
                      for stream in (done.stdout, done.stderr))
    is_json = "--json -" in command
    left = sorted(path.name for path in set(folder.rglob("*")) - before)
    return {"expected.out": "" if is_json else output,
            "expected.json": without_run(output) if is_json and output else "",
            "expected.err": errors,
            "rc": f"{done.returncode}\n" if done.returncode else ""}, left


def compare(folder, weft, update):
    """What is wrong with the case, as text; empty if nothing is."""
    if not (folder / "cmd").is_file():
        return f"{folder.name}: no file `cmd`\n"
    try:
        seen, left = observe(folder, weft)
    except subprocess.TimeoutExpired:
        return f"{folder.name}: not done after {TIMEOUT_S} s\n"
    wrong = f"{folder.name}: left files behind: {' '.join(left)}\n" if left else ""
    for name, text in seen.items():
        path = folder / name
        wanted = path.read_text() if path.is_file() else ""
        if name == "rc" and wanted.strip() == "0":
            wanted = ""
        if wanted == text:
            continue
        if not update:
            wrong += "".join(difflib.unified_diff(
                wanted.splitlines(True), text.splitlines(True),
                f"{folder.name}/{name}", "what weft did"))
        elif text:
            path.write_text(text)
        else:
            path.unlink()
    return wrong


def main():
    parser = argparse.ArgumentParser(description="Runs the golden tests.")
    parser.add_argument("--weft", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--update", action="store_true", help="write what it prints now")
    parser.add_argument("names", nargs="*", help="cases; all by default")
    args = parser.parse_args()
    folders = cases(ROOT, args.names)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda folder: compare(folder, args.weft.resolve(), args.update),
                                folders))
    sys.stdout.write("".join(results))
    wrong = sum(map(bool, results))
    print(f"golden: {len(folders) - wrong} as expected, {wrong} not")
    return 1 if wrong or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
