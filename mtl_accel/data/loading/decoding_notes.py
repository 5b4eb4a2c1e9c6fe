"""What is worth saying of pictures that can be decoded, collected to be said once with a count: not once a picture."""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO

logger = logging.getLogger(__name__)


class Note(NamedTuple):
    """What a picture is like, as the end of a sentence on many, and where it comes from."""

    kind: str
    place: str


class _Collector(threading.local):
    """The notes that this thread collects; None: it does not."""

    notes: list[Note] | None = None
    place: str = ""


_collector = _Collector()


class _PillowWarnings:
    """Makes notes of Pillow's warnings, for as long as any thread collects some, and leaves all others alone.

    Filters of warnings are global, and `warnings.catch_warnings` is not safe in threads: so one of them is entered
    with the first thread and left with the last.
    """

    def __init__(self) -> None:
        self._lock, self._num_threads = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._num_threads += 1
            if self._num_threads == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                self._show = warnings.showwarning
                warnings.filterwarnings("always", module=r"PIL\.")
                warnings.showwarning = self._collect

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._num_threads -= 1
            if self._num_threads == 0:
                self._before.__exit__(None, None, None)

    def _collect(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if _collector.notes is None or f"{os.sep}PIL{os.sep}" not in filename:
            self._show(message, category, filename, lineno, file, line)
            return
        text = re.sub(r"\d+", "N", " ".join(str(message).split())).rstrip(".")
        add_note(f'make Pillow warn: "{text}"')


_pillow_warnings = _PillowWarnings()


@contextmanager
def collect_notes() -> Iterator[list[Note]]:
    """Collect the notes on the pictures that this thread decodes in the block."""
    before, _collector.notes = _collector.notes, []
    try:
        with _pillow_warnings:
            yield _collector.notes
    finally:
        _collector.notes = before


@contextmanager
def decoding_of(place: str) -> Iterator[None]:
    """Say where the picture comes from that is decoded in the block."""
    before, _collector.place = _collector.place, place
    try:
        yield
    finally:
        _collector.place = before


def add_note(kind: str) -> None:
    """Note what the picture that is decoded now is like, if anybody collects notes."""
    note = Note(kind, _collector.place)
    if _collector.notes is not None and note not in _collector.notes[-8:]:
        _collector.notes.append(note)


class NotesReport:
    """Warns of what is worth saying of pictures that are decoded with their batches: once, at the end of a pass."""

    def __init__(self, speaks: bool) -> None:
        """`speaks`: whether this process does; one of a launch is enough."""
        self._is_due = speaks
        self._notes: dict[Note, None] = {}  # padding brings a picture twice

    def add(self, notes: Iterable[Note]) -> None:
        if self._is_due:
            self._notes |= dict.fromkeys(notes)

    def end(self) -> None:
        for line in summarize(self._notes):
            logger.warning(line)
        self._is_due, self._notes = self._is_due and not self._notes, {}


def summarize(notes: Iterable[Note]) -> list[str]:
    """One line for each kind of note: how many pictures there are, and the first."""
    by_kind: dict[str, list[str]] = {}
    for note in notes:
        by_kind.setdefault(note.kind, []).append(note.place)
    return [f"pictures that {kind}: {len(places):,}; the first: {places[0]}" for kind, places in by_kind.items()]
