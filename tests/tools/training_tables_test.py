"""tools/training_tables.py: the report's sentence on compute is held to the page's tables."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import training_tables


class Sentence(unittest.TestCase):
    def setUp(self):
        self.page = training_tables.PAGE.read_text()
        self.report = training_tables.REPORT.read_text()

    def test_is_what_the_tables_say(self):
        self.assertIsNone(training_tables.wrong_sentence(self.page, self.report))

    def test_notices_a_row_that_moved(self):
        for old, new in [("−43.9 %", "−46.9 %"), ("−2.1 %", "+0.4 %")]:
            self.assertIn(old, self.page)
            wrong = training_tables.wrong_sentence(self.page.replace(old, new), self.report)
            self.assertIn("does not say", wrong)

    def test_notices_a_row_more(self):
        row = "| MPT-7B | 8 H100 | 1.155 |"
        more = self.page.replace(row, "| one more | 8 | 1 | 1 | −9.0 % | | | [DGXC] |\n" + row)
        self.assertIn("of 19 and", training_tables.wrong_sentence(more, self.report))


if __name__ == "__main__":
    unittest.main()
