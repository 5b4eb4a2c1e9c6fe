"""A failure is told once, by the process that met it first; the others end because of it, and say nothing."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import EXIT_CODE, UserError

_FILE = "failures.txt"


class FailureLog:
    """RUN/failures.txt: what each process of a failed run met, the cause first.

    When one process fails, the others lose their connection to it and fail too, usually with a message about
    sockets. The file is made by whoever fails first, which the operating system decides, so that everyone
    knows whose message is the cause.
    """

    def __init__(self, run_dir: Path, rank: int) -> None:
        self.path, self.rank = run_dir / _FILE, rank

    def clear(self) -> None:
        """Forget the failure of an earlier start. On the main process, before any other may fail."""
        self.path.unlink(missing_ok=True)

    def add(self, error: BaseException) -> bool:
        """Note a failure. True: it is the first, or this host has no run folder in which another one would stand."""
        if not self.path.parent.is_dir():
            return True
        head = (str(error) or type(error).__name__).splitlines()[0]
        body = str(error) if isinstance(error, UserError) else "".join(traceback.format_exception(error))
        record = f"process {self.rank}: {head}\n{body}\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            descriptor, first = os.open(self.path, flags | os.O_EXCL, 0o644), True
        except FileExistsError:
            descriptor, first = os.open(self.path, flags, 0o644), False
        with os.fdopen(descriptor, "a") as file:
            file.write(record)
        return first

    def cause(self) -> str:
        """The first failure in one line."""
        return self.path.read_text().partition("\n")[0]

    @contextmanager
    def told_once(self) -> Iterator[None]:
        """Lets the first failure through to be printed; ends the process in silence for one that followed."""
        try:
            yield
        except Exception as error:
            everywhere = isinstance(error, UserError) and error.everywhere  # other hosts have to be told, too
            if not self.add(error) and not everywhere:
                raise SystemExit(EXIT_CODE if isinstance(error, UserError) else 1) from error
            raise
