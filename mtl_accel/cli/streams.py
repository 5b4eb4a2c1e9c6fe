"""Standard output and error of a command, whose reader may be gone before it ends, as in `mtl-accel train | head`.

The command goes on, and what nobody reads is dropped: a run keeps all of it in log.txt.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

# A pipe that nobody reads; a terminal that is gone; the same of a pipe on Windows.
_NO_READER = (errno.EPIPE, errno.EIO, errno.EINVAL)


def survive_lost_readers() -> None:
    """Make standard output and error take what nobody reads. Streams that somebody has put in their place stay."""
    if sys.stdout is sys.__stdout__:
        sys.stdout = _surviving(sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _surviving(sys.stderr)


class _File(io.FileIO):
    """A file that becomes the null device once nobody reads it."""

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # typeshed's Buffer is not in typing
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _NO_READER:
                raise
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
        return super().write(data)


def _surviving(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed before this process started, as by `>&-`
        return io.TextIOWrapper(_File(os.devnull, "w"), encoding="utf-8", write_through=True)
    buffer = getattr(stream, "buffer", None)
    if type(getattr(buffer, "raw", buffer)) is not io.FileIO or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    file = _File(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        file if buffer is getattr(buffer, "raw", buffer) else io.BufferedWriter(file),  # `python -u` has no buffer
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
