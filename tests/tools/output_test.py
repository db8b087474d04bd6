"""tools/golden.py and tools/readme.py tell right output from wrong, with a weft that pretends."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import golden  # noqa: E402
import readme  # noqa: E402

# Prints its arguments, and what it can see of a terminal; fails on `bad`; knows some JSON.
WEFT = """#!/bin/sh
case "$*" in
  *--json*) echo '{"schema": 1, "b": 0.1, "a": 2, "run": {"wall_s": '$$'}}';;
  bad) echo 'bad.yaml:1:1: error: no' >&2; exit 2;;
  litter) touch here;;
  *) echo "$* $NO_COLOR $COLUMNS"; test -t 0 && echo terminal;;
esac
exit 0
"""


class Output(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        self.weft = self.root / "bin/weft"
        self.weft.parent.mkdir()
        self.weft.write_text(WEFT)
        self.weft.chmod(0o755)
        (self.root / "docs").mkdir()

    def case(self, **files):
        folder = self.root / "tests/golden/case"
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, text in files.items():
            (folder / name.replace("expected_", "expected.")).write_text(text)
        return folder

    def golden(self, update=False, **files):
        return golden.compare(self.case(**files), self.weft, update)

    def readme(self, text):
        (self.root / "README.md").write_text(text)
        return readme.check(self.root, self.weft)

    def test_golden_compares_both_streams_and_the_status(self):
        self.assertEqual(self.golden(cmd="weft hi", expected_out="hi 1 80\n"), "")
        self.assertIn("-hi 1 81", self.golden(cmd="weft hi", expected_out="hi 1 81\n"))
        self.assertIn("+hi 1 80", self.golden(cmd="weft hi"))
        bad = {"cmd": "weft bad", "expected_err": "bad.yaml:1:1: error: no\n", "rc": "2\n"}
        self.assertEqual(self.golden(**bad), "")
        self.assertIn("-1\n+2", self.golden(**{**bad, "rc": "1\n"}))
        self.assertIn("case/rc", self.golden(**{**bad, "rc": "0\n"}))
        self.assertIn("case/expected.err", self.golden(**{**bad, "expected_err": ""}))

    def test_golden_compares_json_without_run_but_in_order(self):
        right = '{\n "schema": 1,\n "b": 0.1,\n "a": 2\n}\n'
        self.assertEqual(self.golden(cmd="weft x --json -", expected_json=right), "")
        swapped = '{\n "schema": 1,\n "a": 2,\n "b": 0.1\n}\n'
        self.assertNotEqual(self.golden(cmd="weft x --json -", expected_json=swapped), "")
        self.assertNotEqual(self.golden(cmd="weft x --json -"), "")

    def test_golden_update_writes_what_is_needed_and_no_more(self):
        self.assertEqual(self.golden(update=True, cmd="weft bad", expected_out="old\n"), "")
        folder = self.root / "tests/golden/case"
        self.assertEqual(sorted(path.name for path in folder.iterdir()),
                         ["cmd", "expected.err", "rc"])
        self.assertEqual(golden.compare(folder, self.weft, False), "")

    def test_golden_finds_what_a_case_leaves_and_a_case_without_a_command(self):
        self.assertIn("left files behind: here", self.golden(cmd="weft litter"))
        self.assertEqual(self.golden(cmd="cd $OUT && weft litter"), "")
        self.assertIn("no file `cmd`", self.golden())

    def test_golden_names_its_cases(self):
        self.case(cmd="weft")
        (self.root / "examples/01-x").mkdir(parents=True)
        self.assertEqual([path.name for path in golden.cases(self.root, [])], ["case", "01-x"])
        self.assertEqual([path.name for path in golden.cases(self.root, ["01-x"])], ["01-x"])
        with self.assertRaises(SystemExit):
            golden.cases(self.root, ["no-such"])

    def test_readme_runs_each_command_and_compares_what_is_shown(self):
        block = "# T\n\n```console\n$ weft a\na 1 80\n$ build/weft b \\\n  c\nb c 1 80\n```\n"
        self.assertEqual(self.readme(block), (2, []))
        count, wrong = self.readme(block.replace("b c 1", "b c 2"))
        self.assertEqual((count, len(wrong)), (2, 1))
        self.assertTrue(wrong[0].startswith("README.md:6: "), wrong[0])
        self.assertEqual(len(self.readme(block.replace("a 1 80\n", ""))[1]), 1)
        self.assertEqual(len(self.readme("```console\nno command\n```\n")[1]), 1)

    def test_readme_elides_any_lines_but_only_there(self):
        command = "```console\n$ for i in 1 2 3; do weft $i; done\n"
        self.assertEqual(self.readme(command + "…\n3 1 80\n```\n"), (1, []))
        self.assertEqual(self.readme(command + "1 1 80\n…\n```\n"), (1, []))
        self.assertEqual(len(self.readme(command + "…\n2 1 80\n```\n")[1]), 1)

    def test_readme_skips_what_is_marked_and_reads_all_pages(self):
        self.assertEqual(self.readme("```console no-run\n$ rm -rf /nonexistent\n```\n"), (0, []))
        page = self.root / "docs/formats/x.md"
        page.parent.mkdir()
        page.write_text("```console\n$ weft bad\nbad.yaml:1:1: error: no\n```\n")
        self.assertEqual(self.readme("# T\n"), (1, []))


if __name__ == "__main__":
    unittest.main()
