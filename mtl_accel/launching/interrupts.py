"""Requests to stop, by a signal or by a launcher that is gone, as one flag that the loop reads between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

EXIT_CODE = 85  # of a run that was asked to stop, has saved, and can be resumed
# Windows has no SIGUSR1, and sends SIGBREAK where others send SIGTERM.
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGBREAK") if hasattr(signal, name)]


class Interrupts:
    """Knows whether this process has to stop: after SIGTERM, SIGINT or SIGUSR1. A second SIGINT ends it at once.

    A process that a launcher started also stops once that launcher is gone: nobody else would end it, and it must not
    write into a run that somebody may have started anew.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.reason: str | None = None
        self._launcher = (
            os.getppid() if "LOCAL_RANK" in environment or "ACCELERATE_MIXED_PRECISION" in environment else None
        )
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        # Python hands signals to the main thread only; a run in another thread gets none.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.reason is not None:
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name

    def request_stop(self, reason: str) -> None:
        """Stop for another reason than a signal; the first one counts."""
        self.reason = self.reason or reason

    @property
    def stop_requested(self) -> bool:
        if self.reason is None and self._launcher is not None and os.getppid() != self._launcher:
            self.reason = "the launcher is gone"
        return self.reason is not None
