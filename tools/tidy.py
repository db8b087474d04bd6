#!/usr/bin/env python3
"""Checks the rules of style that no compiler knows; prints file:line: what is wrong.

--clang-format checks the formatting as well.
"""

import re
import subprocess
import sys

from source import ROOT, print_findings, tracked

MAX_FUNCTION, MAX_COLUMNS = 70, 100
CPP, CODE = (".h", ".cc"), (".h", ".cc", ".proto", ".py", ".cmake", "CMakeLists.txt")
# A source's key: QXC+24, BG92, NV-H100, IEEE802.3, or a word in capitals; not [F], [L], [F+1],
# nor a Markdown link.
KEY = re.compile(r"\[([A-Z][A-Za-z]+\+?\d\d[a-z]?|[A-Z]{2,}-[\w.-]+|[A-Z]{3,}[\d.]*|Unicode)"
                 r"(?=[ ,;\]])(?![^\]\n]*\]\()")
NOT_CODE = re.compile(
    r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\''
    r"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)
SCOPE = re.compile(r'^(?:\w+ )*(?:namespace|class|struct|union|enum|extern)\b')


def code_only(text):
    """`text` with comments, literals and directives blank, line for line."""
    return NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def function_lengths(text):
    """(first line, lines) of every function, lambdas counted with what holds them."""
    code, open_blocks, start, functions = code_only(text), [], 0, []
    for match in re.finditer(r"[{};]", code):
        head = code[start:match.start()]
        if match.group() == "{":
            words = re.sub(r"^(?:\s*template\s*<.*?>(?=\s*\w))?\s*", "", head, flags=re.S)
            inside = bool(open_blocks) and open_blocks[-1][0] != "scope"
            kind = "scope" if SCOPE.match(words) else "function" if "(" in words else "other"
            first = match.start() - len(head.lstrip())
            # After `a_{a}` in an initialiser list the function that began there goes on.
            if not inside and functions and (not words.strip() or words.startswith(",")):
                kind, first = "function", functions.pop()[0]
            open_blocks.append(("other" if inside else kind, first))
        elif match.group() == "}" and open_blocks:
            kind, first = open_blocks.pop()
            if kind == "function":
                functions.append((first, match.end()))
        start = match.end()
    lines = [(line_of(text, first), line_of(text, end)) for first, end in functions]
    return [(first, last - first + 1) for first, last in lines]


def unordered_names(text):
    """Variables declared as hashed containers, whose order is not ours."""
    return re.findall(r"\bunordered_(?:multi)?(?:map|set)\s*<[^;{}()]*>\s*&?\s*(\w+)", text)


def check_cpp(name, text, hashed):
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_COLUMNS:
            yield number, f"{len(line)} columns (at most {MAX_COLUMNS})"
    for first, length in function_lengths(text):
        if length > MAX_FUNCTION:
            yield first, f"a function of {length} lines (at most {MAX_FUNCTION})"
    code = code_only(text)
    banned = {r"\busing namespace (?!std::(?:\w+::)*\w*literals\b)": "'using namespace'"}
    if not name.startswith("cli/"):
        banned[r"\bstd::cout\b"] = "std::cout outside cli/: libraries never print"
    if name.startswith(("sim/", "planner/")) and hashed:
        names = "|".join(hashed)
        banned[rf"\bfor\s*\([^;()]*:[^;()]*\b(?:{names})\)|\b(?:{names})\.c?begin\("] = (
            "iterates over a hashed container: its order is not ours")
    for pattern, message in banned.items():
        for match in re.finditer(pattern, code):
            yield line_of(code, match.start()), message


def prose_only(name, text):
    """What of `text` is for people, line for line: comments, and the doc strings of schemas."""
    if name.endswith((".md", ".proto")):
        return re.sub(r"`[^`\n]*`", "", text)
    mark = "#" if name.endswith(".yaml") else "//"
    return "\n".join(line[line.find(mark):] if mark in line else "" for line in text.splitlines())


def check_text(name, text, keys):
    if name.endswith(CODE):
        for match in re.finditer(r"\bTOD[O]\b(?!.*(?:#\d+|ADR.?\d+))", text):
            yield line_of(text, match.start()), "a TODO that names no issue (#12) or ADR"
    if name.endswith((".h", ".cc", ".proto", ".md", ".yaml")):
        prose = prose_only(name, text)
        for match in KEY.finditer(prose):
            if match.group(1) not in keys and name != "docs/references.md":
                yield (line_of(prose, match.start()),
                       f"[{match.group(1)}] is not in docs/references.md")
    if name.endswith(".md"):
        titles = re.findall(r"^# .", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
        if len(titles) != 1:
            yield 1, f"{len(titles)} titles '# …' (a page has one)"


def listed_sources(root):
    """Every .cc that some CMakeLists.txt, or what it includes, names."""
    for path in tracked(root, "CMakeLists.txt", ".cmake"):
        folder = path.parent.relative_to(root).as_posix()
        for source in re.findall(r"[\w./-]+\.cc\b", re.sub("#.*", "", path.read_text())):
            yield from (source.lstrip("/"), f"{folder}/{source}", f"tests/{folder}/{source}")


def check(root):
    references = root / "docs/references.md"
    keys = set(re.findall(r"^- \[(\S+)\]", references.read_text(), re.M))
    listed = set(listed_sources(root))
    texts = {path.relative_to(root).as_posix(): path.read_text()
             for path in tracked(root, ".md", ".yaml", *CODE)}
    hashed = {found for name, text in texts.items() if name.startswith(("sim/", "planner/"))
              for found in unordered_names(text)}
    findings = []
    for name, text in texts.items():
        found = list(check_text(name, text, keys))
        if name.endswith(CPP):
            found += check_cpp(name, text, hashed)
        if name.endswith(".cc") and name not in listed:
            found.append((1, "no CMakeLists.txt lists this file"))
        findings += [f"{name}:{line}: {message}" for line, message in found]
    return findings


def clang_format(root):
    files = [str(path) for path in tracked(root, *CPP)]
    return subprocess.run(["clang-format", "--dry-run", "--Werror", *files], check=False).returncode


if __name__ == "__main__":
    status = print_findings(check(ROOT))
    if "--clang-format" in sys.argv[1:]:
        status |= clang_format(ROOT) != 0
    sys.exit(status)
