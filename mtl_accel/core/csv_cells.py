"""CSV files that a spreadsheet may open: no cell of theirs is run as a formula."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Spreadsheets also take the wide forms of these signs, and pass over blanks before them.
_FORMULA = re.compile("'*(?:[\\s\0\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it. Numbers stay numbers.

    Apostrophes that stand before such a text already get one more, so that taking one away restores every text.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_line(cells: Sequence[str]) -> str:
    """One line, with its LF, quoted where needed. The csv module leaves a lone CR unquoted in lines that end in LF."""
    quoted = ('"' + cell.replace('"', '""') + '"' if re.search('[,"\r\n]', cell) else cell for cell in cells)
    return ",".join(quoted) + "\n"
