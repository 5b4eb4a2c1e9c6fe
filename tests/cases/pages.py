"""A page of the documentation as its reader works through it: its fenced blocks, one after another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`kind` is the language behind the fence; `intro` is the paragraph before it, on one line."""

    kind: str
    text: str
    intro: str

    @property
    def saved_as(self) -> str | None:
        """The file that the page asks the reader to save the block as."""
        found = re.search(r"Save this as `([\w.]+)`:$", self.intro)
        return found[1] if found else None

    def commands(self) -> list[str]:
        """Of a block for the shell: one string for each command, without continued lines."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCED.finditer(text):
        paragraphs = text[: match.start()].rstrip("\n").split("\n\n")
        found.append(Block(match[1], match[2], " ".join(paragraphs[-1].split("\n"))))
    return found


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks, outside of the blocks."""
    return re.findall(r"`([^`\n]+)`", _FENCED.sub("", page.read_text(encoding="utf-8")))


def pattern_of(line: str, words: tuple[str, ...]) -> re.Pattern[str]:
    """Matches a line, made `plain` too, that differs in numbers, within brackets, or in which of `words` stands there.

    "..." stands for anything.
    """
    return re.compile(".*".join(map(re.escape, plain(line, words).split("..."))))


def plain(line: str, words: tuple[str, ...]) -> str:
    """A line without what another run may print in its place."""
    line = re.sub(r"\[[^\]]*\]", "[]", line)
    line = re.sub(rf"(?<![\w-])({'|'.join(map(re.escape, words))})(?![\w-])", "WORD", line)
    line = re.sub(r"\d+(\.\d+)?(e-?\d+)?|\bnan\b|\bNaN\b", "#", line)
    return " ".join(line.split())
