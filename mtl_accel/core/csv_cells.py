"""Cells for CSV files that a spreadsheet may open: none of them is run as a formula."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Spreadsheets also accept the wide forms of these signs, and skip blanks before them.
_FORMULA = re.compile("'*(?:[\\s\0\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def escape_formula(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run. Numbers stay numbers.

    A text that already begins with apostrophes gets one more, so that removing one restores every text.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_line(cells: Sequence[str]) -> str:
    """One line that ends in LF, quoted where needed. The csv module would not quote a lone CR in such lines."""
    quoted = ('"' + cell.replace('"', '""') + '"' if re.search('[,"\r\n]', cell) else cell for cell in cells)
    return ",".join(quoted) + "\n"
