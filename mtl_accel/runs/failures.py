"""The errors of a failed run's processes, the cause first."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.control_characters import escape_control
from ..core.errors import EXIT_CODE, UserError

_FILE = "failures.txt"


_LOST = re.compile(
    r"Connection (closed by peer|reset by peer|refused)|Broken pipe|Socket (closed|Timeout)|remote process exited"
)
_MAX_SHOWN = 200  # characters of the library's own words


class FailureLog:
    """RUN/failures.txt: the error of each process of a failed run, the cause first.

    When one process fails, the others lose their connection to it and fail too, usually with a message about
    sockets. The file is created by whichever process fails first, which the operating system decides, so that every
    process knows whose message is the cause.
    """

    def __init__(self, run_dir: Path, rank: int) -> None:
        self.path, self.rank = run_dir / _FILE, rank

    def clear(self) -> None:
        """Delete the failures of an earlier start. On the main process, before any other may fail."""
        self.path.unlink(missing_ok=True)

    def add(self, error: BaseException) -> bool:
        """Append a failure. True if it is the first, or if this host lacks the run folder where others would be."""
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
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(escape_control(record))
        return first

    def cause(self) -> str:
        """Read the first failure's first line."""
        return self.path.read_text(encoding="utf-8").partition("\n")[0]

    @contextmanager
    def reported_once(self) -> Iterator[None]:
        """Let the first failure pass, to be printed; end the process silently for those that follow."""
        try:
            yield
        except Exception as error:
            shown = _lost_process(error) or error
            everywhere = isinstance(error, UserError) and error.everywhere  # other hosts must print it, too
            if not self.add(shown) and not everywhere:
                raise SystemExit(EXIT_CODE if isinstance(shown, UserError) else 1) from error
            if shown is error:
                raise
            raise shown from error


def _lost_process(error: Exception) -> UserError | None:
    """Say in words that another process of the launch is gone, of which gloo and NCCL speak as of a socket."""
    if not isinstance(error, RuntimeError) or not _LOST.search(str(error)):
        return None
    return UserError(
        "another process of this launch was ended without a message, most likely by the system, because memory ran out "
        "(`dmesg` on its host says so), or its host is gone. Set micro_batch_size or data.num_workers lower if so, and "
        f"start again: the run resumes from its last checkpoint ({' '.join(str(error).split())[:_MAX_SHOWN]})"
    )
