"""Text from tables and file names for the terminal: an id must not move the cursor, nor forge a line of ours."""

from __future__ import annotations

import logging
import re

# C0 without tab and newline, DEL and C1, line separators, what turns the direction of writing, halves of surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_control(text: str) -> str:
    r"""Replace control characters but tab and newline by their escapes, such as \x1b."""
    return _CONTROL.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Replace all control characters by their escapes, a newline by \n."""
    return escape_control(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]


class EscapingFormatter(logging.Formatter):
    """Formats messages of the log with their control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_control(super().format(record))
