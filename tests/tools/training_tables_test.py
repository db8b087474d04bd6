"""tools/training_tables.py: what a report says of published runs is held to the page's tables."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import training_tables


class Ratios(unittest.TestCase):
    def setUp(self):
        self.page = training_tables.PAGE.read_text()
        self.source = training_tables.RATIOS.read_text()

    def test_are_what_the_tables_say(self):
        self.assertIsNone(training_tables.wrong_ratios(self.page, self.source))

    def test_notice_a_row_that_moved(self):
        row = "| MPT-30B, 8k | 8 H100 | 124.3 |"
        moved = self.page.replace(row, row + " 1 | −50.0 % |")
        wrong = training_tables.wrong_ratios(moved, self.source)
        self.assertIn('{"sharded PyTorch", 11, 1.05, 2.00}', wrong)

    def test_notice_a_row_more(self):
        row = "| MPT-7B | 8 H100 | 1.155 |"
        more = self.page.replace(row, "| one more | 8 | 1 | 1 | −9.0 % | | | [DGXC] |\n" + row)
        self.assertIn('{"Megatron", 19,', training_tables.wrong_ratios(more, self.source))


if __name__ == "__main__":
    unittest.main()
