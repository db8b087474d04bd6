"""Tables of docs/validation.md are put between the comments that name their program."""

import pathlib
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import docs  # noqa: E402

PAGE = """before
<!-- some_table: from here on written -->
stale
<!-- some_table: up to here -->
between
<!-- published: from here on written -->
old
<!-- published: up to here -->
after
"""


class TablesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.program = pathlib.Path(folder.name) / "some_table"
        self.program.write_text("#!/bin/sh\necho '| 1 |'\n")
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def test_what_the_program_prints_replaces_what_was_there(self):
        text = docs.with_tables(PAGE, [self.program], self.program, False)
        self.assertEqual(text, PAGE.replace("stale\n", "\n| 1 |\n\n").replace("old\n", "\n| 1 |\n\n"))
        self.assertEqual(docs.with_tables(text, [self.program], self.program, False), text)

    def test_a_page_without_its_place_is_refused(self):
        with self.assertRaises(SystemExit):
            docs.with_tables("no place\n", [self.program], self.program, False)


if __name__ == "__main__":
    unittest.main()
