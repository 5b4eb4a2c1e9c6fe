"""Progress bars of `datasets`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import datasets


@contextmanager
def bars_on_terminals_only() -> Iterator[None]:
    """Hide the progress bars of `datasets`, which it would write into log files too, unless stderr is a terminal."""
    hides = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    if hides:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if hides:
            datasets.enable_progress_bars()
