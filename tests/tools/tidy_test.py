"""Each rule of tools/tidy.py and tools/layers.py can fail, and good code passes."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import layers  # noqa: E402
import tidy  # noqa: E402

GOOD = {
    "docs/references.md": "# References\n\n- [BG92] Bertsekas, Gallager, Data Networks\n",
    "docs/architecture.md":
        "# Architecture\n\n```layers\nbase\nsim base\nreport base sim/run.h\n```\n",
    "base/CMakeLists.txt": "weft_module(base\n    a.cc\n  TESTS\n    a_test.cc)\n",
    "base/a.cc":
        "// As [BG92 §6.5] has it; rows [F], [L+1], [F+10].\nint F() {\n  return 1'000;\n}\n",
    "tests/base/a_test.cc": '#include "base/a.h"\n#include "tests/base/a_case.h"\n',
    "sim/CMakeLists.txt": "weft_module(sim\n    b.cc\n  LINKS\n    base)\n",
    "sim/b.cc": '#include <vector>\n\n#include "base/a.h"\n',
    "report/CMakeLists.txt": "weft_module(report\n    c.cc\n  LINKS\n    sim)\n",
    "report/c.cc": '#include "sim/run.h"\n',
}


def tree(changes):
    folder = tempfile.TemporaryDirectory()
    for name, text in {**GOOD, **changes}.items():
        path = pathlib.Path(folder.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def findings(check, changes):
    with tree(changes) as root:
        return check(pathlib.Path(root))


class Tidy(unittest.TestCase):
    def expect(self, changes, *wanted):
        self.assertEqual(findings(tidy.check, changes), list(wanted))

    def test_passes_good_code(self):
        self.expect({})

    def test_finds_long_lines_by_characters_not_bytes(self):
        self.expect({"base/a.cc": "// " + "é" * 97 + "\n"})
        self.expect({"base/a.cc": "//\n// " + "é" * 98 + "\n"},
                    "base/a.cc:2: 101 columns (at most 100)")

    def test_finds_long_functions_wherever_they_stand(self):
        body = "  f();\n" * 69
        long = "a function of 71 lines (at most 70)"
        self.expect({"base/a.cc": "void F() {\n" + body[:-7] + "}\n"})
        self.expect({"base/a.cc": "namespace weft {\nvoid F() {\n" + body + "}\n}\n"},
                    f"base/a.cc:2: {long}")
        self.expect({"base/a.cc": "struct S {\n  void F() {\n" + body + "}\n};\n"},
                    f"base/a.cc:2: {long}")
        self.expect({"base/a.cc": "S::S(int a) : a_{a}, b_{a} {\n" + body + "}\n"},
                    f"base/a.cc:1: {long}")
        self.expect({"base/a.cc": "template <class T>\nT F(T t) {\n" + body[:-7] + "}\n"},
                    f"base/a.cc:1: {long}")

    def test_does_not_take_types_or_tables_for_functions(self):
        rows = "  {1, f(2)},\n" * 80
        self.expect({"base/a.cc": "constexpr Row kRows[] = {\n" + rows + "};\n"})
        self.expect({"base/a.cc": "struct S {\n" + "  int a;\n" * 80 + "};\n"})
        self.expect({"base/a.cc": 'const char* k = R"(' + "{ f(\n" * 80 + ')";\n'})

    def test_finds_references_that_lead_nowhere(self):
        self.expect({"base/a.cc": "\n// after [QXC+24 §5.1]\n"},
                    "base/a.cc:2: [QXC+24] is not in docs/references.md")
        self.expect({"docs/x.md": "# X\n\nSee [NCCL 2.28] and [HPN](x.md), `[GPU 1]`.\n"},
                    "docs/x.md:3: [NCCL] is not in docs/references.md")
        self.expect({"base/x.yaml": "power: [GPU 1] # as [NV-H100 p. 2]\n"},
                    "base/x.yaml:1: [NV-H100] is not in docs/references.md")
        self.expect({"base/x.proto": 'doc: "as [IEEE802.3 §4] has it"\n'},
                    "base/x.proto:1: [IEEE802.3] is not in docs/references.md")

    def test_finds_sources_that_nothing_builds(self):
        self.expect({"base/d.cc": "\n"}, "base/d.cc:1: no CMakeLists.txt lists this file")
        self.expect({"base/CMakeLists.txt": "weft_module(base\n  # a.cc\n TESTS a_test.cc)\n"},
                    "base/a.cc:1: no CMakeLists.txt lists this file")

    def test_finds_todos_that_name_no_issue(self):
        self.expect({"base/a.cc": "// TO" "DO(#12): later\n"})
        self.expect({"base/a.cc": "// TO" "DO: later\n"},
                    "base/a.cc:1: a TODO that names no issue (#12) or ADR")

    def test_finds_hashed_iteration_in_sim_only(self):
        text = "std::unordered_map<int, int> rows;\nvoid F() {\n  for (auto& r : rows) f(r);\n}\n"
        self.expect({"base/a.cc": text})
        self.expect({"sim/b.cc": text},
                    "sim/b.cc:3: iterates over a hashed container: its order is not ours")
        self.expect({"sim/b.cc": text.replace("for (auto& r : rows) f(r)", "f(rows.begin())")},
                    "sim/b.cc:3: iterates over a hashed container: its order is not ours")
        self.expect({"sim/b.cc": text.replace("for (auto& r : rows) f(r)", "rows.find(3)")})

    def test_finds_using_namespace_but_for_literals(self):
        self.expect({"base/a.cc": "using namespace std::chrono_literals;\n"})
        self.expect({"base/a.cc": "using namespace std;\n"}, "base/a.cc:1: 'using namespace'")

    def test_finds_printing_libraries(self):
        text = "void F() { std::cout << 1; }\n"
        self.expect({"base/a.cc": text},
                    "base/a.cc:1: std::cout outside cli/: libraries never print")
        self.expect({"base/a.cc": "// never std::cout\n"})
        self.expect({"cli/m.cc": text, "cli/CMakeLists.txt": "add_executable(weft m.cc)\n"})

    def test_finds_pages_without_one_title(self):
        self.expect({"docs/x.md": "# X\n\n```\n# no title\n```\n"})
        self.expect({"docs/x.md": "text\n"}, "docs/x.md:1: 0 titles '# …' (a page has one)")
        self.expect({"docs/x.md": "# X\n\n# Y\n"}, "docs/x.md:1: 2 titles '# …' (a page has one)")


class Layers(unittest.TestCase):
    def expect(self, changes, *wanted):
        self.assertEqual(findings(layers.check, changes), list(wanted))

    def test_passes_good_code(self):
        self.expect({})

    def test_finds_an_include_from_below(self):
        self.expect({"base/a.cc": '\n#include "sim/b.h"\n'},
                    "base/a.cc:2: 'base' may not include 'sim/b.h' (docs/architecture.md)")
        self.expect({"base/x.proto": 'import "sim/b.proto";\n'},
                    "base/x.proto:1: 'base' may not include 'sim/b.proto' (docs/architecture.md)")

    def test_allows_one_header_of_a_module(self):
        self.expect({"report/c.cc": '#include "sim/flow.h"\n'},
                    "report/c.cc:1: 'report' may not include 'sim/flow.h' (docs/architecture.md)")

    def test_finds_an_include_of_what_is_internal(self):
        self.expect({"sim/b.cc": '#include "base/a_internal.h"\n'},
                    "sim/b.cc:1: 'base/a_internal.h' is internal to 'base'")

    def test_finds_an_include_that_is_no_path_from_the_root(self):
        self.expect({"sim/b.cc": '#include "b.h"\n'},
                    "sim/b.cc:1: 'b.h' is no path from the root into a module")

    def test_finds_a_test_that_reaches_below_its_module(self):
        self.expect({"tests/base/a_test.cc": '#include "sim/b.h"\n'},
                    "tests/base/a_test.cc:1: tests of 'base' may not include 'sim', "
                    "which is below it")
        self.expect({"tests/base/a_test.cc": '#include "tests/sim/b_case.h"\n'},
                    "tests/base/a_test.cc:1: tests of 'base' may not include 'sim', "
                    "which is below it")
        self.expect({"base/a.cc": '#include "tests/base/a_case.h"\n'},
                    "base/a.cc:1: 'tests/base/a_case.h' is no path from the root into a module")

    def test_finds_links_that_disagree(self):
        self.expect({"base/CMakeLists.txt": "weft_module(base\n a.cc\n  LINKS\n sim\n LIBS x)\n"},
                    "base/CMakeLists.txt:1: 'base' may not link 'sim' (docs/architecture.md)")
        self.expect({"sim/CMakeLists.txt": "weft_module(sim\n    b.cc)\n"},
                    "sim/b.cc:3: 'base/a.h' is included but its library is not among LINKS")


if __name__ == "__main__":
    unittest.main()
