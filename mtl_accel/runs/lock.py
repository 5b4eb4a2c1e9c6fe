"""One run, one owner: while a process trains into a run folder, a second one is refused."""

from __future__ import annotations

import errno
import json
import os
import socket
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from filelock import BaseFileLock, FileLock, Timeout

from ..core.atomic_io import make_folder, remove_temporaries, storage_errors
from ..core.errors import UserError
from ..core.lazy import import_of_system

fcntl = import_of_system("fcntl")  # None on Windows
LOCK = ".lock"
_HELD = ".lock.held"  # what is locked where there is no flock: Windows would let nobody read who owns the other one
LOCK_FILES = (LOCK, _HELD)

# Errors of file systems without locks: NFS without its lock daemon, Lustre without -o flock, some FUSE mounts.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@dataclass(eq=False)
class RunLock:
    """The lock of one run folder, made by `lock_run_folder`.

    flock, not POSIX record locks: those vanish when anything in the process closes any descriptor of the file, such as
    a tracker that uploads the run folder. The kernel drops a flock when its owner dies, so no stale lock is left.
    But a forked child shares it: an orphaned loader worker would keep it. So every child closes its copy at birth.
    (filelock knows flock as well, but truncates the file before it has the lock, and so loses the owner's name.)
    Where there is no flock, as on Windows, filelock locks a file beside it, in the system's own way.
    """

    path: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    _descriptor: int | None = None
    _held: BaseFileLock | None = None

    def still_owned(self) -> bool:
        """Whether the lock file is still the one we locked and names us.

        False after somebody deleted the file, or after a network file system gave our lock to another host.
        """
        if self._descriptor is None:
            return False
        return self._is_current(self._descriptor) and _read_owner(self.path).get("token") == self.token

    def acquire(self) -> None:
        """Lock the file and write our name into it.

        Raises:
            UserError: another process owns the run folder, or its file system refuses.
        """
        with storage_errors(self.path):
            make_folder(self.path.parent)
            while self._descriptor is None:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
                try:
                    self._lock(descriptor)
                    # The file may have been deleted between our opening and our locking it: then we hold nothing.
                    if self._is_current(descriptor):
                        self._descriptor = descriptor
                finally:
                    if self._descriptor is None:
                        os.close(descriptor)
            _owned.add(self)
            started = datetime.now().astimezone().isoformat(timespec="seconds")
            owner = {"host": socket.gethostname(), "pid": os.getpid(), "started": started, "token": self.token}
            self._write(json.dumps(owner) + "\n")

    def release(self) -> None:
        if self._descriptor is not None:
            # The file stays: deleting it would let two newcomers lock two different files.
            if self.still_owned():
                self._write("")
            self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _owned.discard(self)
        if self._held is not None:
            self._held.release()
            self._held = None

    def _lock(self, descriptor: int) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                held = FileLock(self.path.with_name(_HELD), thread_local=False)
                held.acquire(blocking=False)
                self._held = held
        except (BlockingIOError, Timeout) as error:
            raise UserError(_refusal(self.path)) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            # Without locks only the file itself says whether there is an owner. Two processes that start at once may
            # both pass here; the token, checked before every checkpoint, then stops the one that wrote first.
            owner = _read_owner(self.path)
            if owner and may_live(owner.get("host"), owner.get("pid")):
                raise UserError(_refusal(self.path)) from error

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _write(self, text: str) -> None:
        assert self._descriptor is not None
        # In place: a renamed file would be another file than the one we locked.
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text.encode())
        os.fsync(self._descriptor)


_owned: weakref.WeakSet[RunLock] = weakref.WeakSet()
_fork_hooks: list[int] = []


def _close_in_child() -> None:
    for lock in list(_owned):
        lock.close()


@contextmanager
def lock_run_folder(run_dir: Path, key: str = "run_dir") -> Iterator[RunLock]:
    """Own the run folder within the block, after removing the temporaries that a killed owner left.

    Args:
        key: the key that the folder was given by, for messages.

    Raises:
        UserError: it or a folder above it is a file, or another process owns it; named with its host, its process and
            since when.
    """
    with storage_errors(run_dir):
        existing = next(path for path in (run_dir, *run_dir.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise UserError(
                f"{key}: {existing} is a file; give the path of a folder, which is made where it is missing"
            )
    if not _fork_hooks and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_in_child)
        _fork_hooks.append(os.getpid())
    lock = RunLock(run_dir / LOCK)
    lock.acquire()
    try:
        remove_temporaries(run_dir)
        yield lock
    finally:
        lock.release()


def owner_of(run_dir: Path) -> str:
    """Name the owner, as `host:pid since time`."""
    owner = _read_owner(run_dir / LOCK)
    if not owner:
        return "an unknown process"
    return f"{owner.get('host')}:{owner.get('pid')} since {owner.get('started')}"


def _read_owner(path: Path) -> dict[str, Any]:
    """Read the owner that the file names; empty when it names none."""
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def may_live(host: object, pid: object) -> bool:
    """Whether a process may be running: of one on another host we cannot know."""
    if not isinstance(pid, int) or host != socket.gethostname():
        return True
    try:
        return psutil.pid_exists(pid)
    except OverflowError:  # no number of any process
        return True


def _refusal(path: Path) -> str:
    return (
        f"{path.parent}: this run folder is owned by {owner_of(path.parent)}. Wait for that process or stop it, or "
        f"choose another run_dir. If it is surely gone (possible only on a disk without locks), delete {path}"
    )
