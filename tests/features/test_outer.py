"""The characters that are cut off the ends of cells are all that nobody sees."""

import sys
import unicodedata

from labelppl.features.cells import OUTER


def test_no_invisible_character_of_unicode_is_left_out() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    assert set(OUTER) == {c for c in every if c.isspace() or unicodedata.category(c) == "Cf"}
