"""The files of weft's source tree, as the checks in tools/ see them."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def tracked(root, *suffixes):
    """Paths under `root`, sorted: what git tracks, or everything if there is no git."""
    git = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"]
    listing = subprocess.run(git, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        paths = [root / name for name in listing.stdout.split("\0") if name]
    else:
        paths = [path for path in root.rglob("*")
                 if not path.relative_to(root).parts[0].startswith(("build", "out", "."))]
    return sorted(path for path in paths if path.name.endswith(suffixes) and path.is_file())


def print_findings(findings):
    """Prints `findings` (file:line: message), sorted; returns the exit status."""
    for finding in sorted(findings):
        print(finding)
    return 1 if findings else 0
