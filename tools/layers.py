#!/usr/bin/env python3
"""Checks who includes whom against the table in docs/architecture.md.

A module may include itself and what its line names: a whole module, or one header of it.
Its tests may include every module up to its own line. CMake's LINKS must say the same.
"""

import re
import sys

from source import ROOT, print_findings, tracked

INCLUDE = re.compile(r'^\s*(?:#include|import)\s+"([^"]+)"', re.M)
MODULE = re.compile(r"\bweft_module\((\w+)(?:[^)]*?\bLINKS\b([a-z_\s]*))?")


def read_table(root):
    text = (root / "docs/architecture.md").read_text()
    rows = re.search(r"^```layers\n(.*?)^```", text, re.M | re.S).group(1).splitlines()
    return {name: may for name, *may in (row.split() for row in rows)}


def allowed(path, target, table):
    """Why `path` may not include `target`, both relative to the root; None if it may."""
    module, folder = path.split("/")[0], target.split("/")[0]
    order = list(table)
    if module == "tests":
        module, folder = path.split("/")[1], target.removeprefix("tests/").split("/")[0]
    if module == folder == "bench":  # its programs share their traffic
        return None
    if folder not in table:
        return f"'{target}' is no path from the root into a module"
    if path.startswith("tests/"):
        if module not in table or order.index(folder) <= order.index(module):
            return None
        return f"tests of '{module}' may not include '{folder}', which is below it"
    if module not in table or module == folder:
        return None
    if folder not in table[module] and target.replace(".pb.h", ".proto") not in table[module]:
        return f"'{module}' may not include '{target}' (docs/architecture.md)"
    if "_internal" in target:
        return f"'{target}' is internal to '{folder}'"
    return None


def check(root):
    table = read_table(root)
    links = {}
    for path in tracked(root, "CMakeLists.txt"):
        for name, linked in MODULE.findall(re.sub("#.*", "", path.read_text())):
            links[name] = linked.split()
    findings = [
        f"{name}/CMakeLists.txt:1: '{name}' may not link '{other}' (docs/architecture.md)"
        for name, others in links.items() for other in others
        if other not in [may.split("/")[0] for may in table.get(name, [])]]
    for path in tracked(root, ".h", ".cc", ".proto"):
        name, text = path.relative_to(root).as_posix(), path.read_text()
        for match in INCLUDE.finditer(text):
            target = match.group(1)
            where = f"{name}:{text.count(chr(10), 0, match.start(1)) + 1}: "
            if target.startswith("google/"):
                continue
            why = allowed(name, target, table)
            module, other = name.split("/")[0], target.split("/")[0]
            if why is None and module in links and not reaches(module, other, links):
                why = f"'{target}' is included but its library is not among LINKS"
            if why:
                findings.append(where + why)
    return findings


def reaches(module, other, links):
    """Whether `module` links `other`, directly or through what it links."""
    return module == other or any(reaches(linked, other, links) for linked in links.get(module, []))


if __name__ == "__main__":
    sys.exit(print_findings(check(ROOT)))
