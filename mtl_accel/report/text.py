"""Names that nobody should trust, made safe to show."""

from __future__ import annotations

import re
import unicodedata


def legible(text: str, width: int | None = None) -> str:
    """A name in one line, without characters that XML forbids or nobody sees, and cut where it is long."""
    drawn = "".join(" " if c.isspace() else "\N{REPLACEMENT CHARACTER}" if _is_hidden(c) else c for c in text)
    return drawn if width is None or len(drawn) <= width else drawn[: width - 1] + "…"


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is: no mark-up, no link, no HTML, no new column."""
    text = legible(text).replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"([\\`*{}\[\]|~$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    # A bare address becomes a link in GitHub's Markdown unless its signs are written otherwise.
    text = re.sub(r"(?i)\b(https?|ftp|mailto|xmpp):", r"\1&#58;", text)
    return text.replace("www.", "www&#46;").replace("@", "&#64;")
