"""How far a long stage is: one line every so many seconds where no progress bar shows it, as in a log file."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tqdm import tqdm

DEFAULT_SECONDS = 30.0  # between two lines, where no config says it
Item = TypeVar("Item")
_STAGES: ContextVar[list[Callable[[], str]] | None] = ContextVar("stages", default=None)


def print_line(text: str) -> None:
    """Print a line where no results are printed, which other programs may read, and above any bar."""
    tqdm.write(text, file=sys.stderr)


@contextmanager
def progress_lines(
    say: Callable[[str], None] = print_line, every_seconds: float | None = DEFAULT_SECONDS
) -> Iterator[None]:
    """Say every so many seconds how far the innermost `stage` within the block is; None: never.

    A thread does, so that a line also comes while one step or one picture takes longer than that. On a terminal there
    are bars, and no lines.

    Raises:
        OSError: what `say` raises, at the end of the block.
    """
    if every_seconds is None or sys.stderr.isatty():
        yield
        return
    stages: list[Callable[[], str]] = []
    done = threading.Event()

    def say_lines() -> None:
        while not done.wait(every_seconds):
            for describe in stages[-1:]:
                say(describe())

    token = _STAGES.set(stages)
    with ThreadPoolExecutor(1, "progress") as pool:
        lines = pool.submit(say_lines)
        try:
            yield
        finally:
            done.set()
            _STAGES.reset(token)
    lines.result()


@contextmanager
def stage(describe: Callable[[], str]) -> Iterator[None]:
    """Mark a stage that may take long; `describe` says how far it is, and is called from another thread."""
    stages = _STAGES.get()
    if stages is None:
        yield
        return
    stages.append(describe)
    try:
        yield
    finally:
        stages.remove(describe)


class Pace:
    """Describes how much of a whole is done, and how long the rest takes at the speed so far.

    Args:
        start: what was done before, by an earlier attempt.
    """

    def __init__(self, name: str, total: int, unit: str, start: int = 0) -> None:
        self.name, self.total, self.unit, self.start = name, total, unit, start
        self._begin = time.monotonic()

    def describe(self, done: int) -> str:
        """Return a line such as "decoding train: 64 of 5,528 pictures, 3.5 min left"."""
        text = f"{self.name}: {done:,} of {self.total:,} {self.unit}"
        if done <= self.start:
            return text
        seconds = (time.monotonic() - self._begin) / (done - self.start) * (self.total - done)
        return f"{text}, {format_seconds(seconds)} left"


def counted(items: Iterable[Item], name: str, total: int, unit: str, *, hidden: bool = False) -> Iterator[Item]:
    """Yield items, and show how many are done: by a bar on a terminal, and else as a `stage`."""
    if hidden:
        yield from items
        return
    pace, done = Pace(name, total, unit), 0
    # disable=None: hidden where there is no terminal
    with (
        stage(lambda: pace.describe(done)),
        tqdm(desc=name, total=total, unit=f" {unit}", disable=None, leave=False) as bar,
    ):
        for item in items:
            yield item
            done += 1
            bar.update()


def format_seconds(seconds: float) -> str:
    """A time in the unit that a person would choose: "45.0 s", "12.3 min", "3.5 h"."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
