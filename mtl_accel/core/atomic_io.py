"""Files and folders that are whole or absent, at whatever moment the process or the machine dies.

Everything is written under a temporary name beside its place, flushed to the disk, and renamed. A killed process
leaves at most temporaries, which `remove_temporaries` removes.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError

logger = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAX_NAME_BYTES = 255  # of one name in a folder
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_MAX_SHOWN = 300  # characters of a path
_NUM_TRIES, _PAUSE_SECONDS = 20, 0.05  # of a rename on Windows
_FIXES = {
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n 4096), or set data.num_workers lower",
    errno.ENFILE: "this machine has no more open files; set data.num_workers lower",
}


def cache_dir(configured: str | None) -> Path:
    """Folder of decoded images and cached tables: the configured folder, or mtl_accel's own in the user's cache."""
    if configured is not None:
        return Path(configured).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mtl_accel"


def _nothing() -> None: ...


def _temporary(path: Path, purpose: str = "new") -> Path:
    return path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}-{purpose}")


def fsync(path: Path) -> None:
    """Return when a file's bytes, or a folder's list of names, would survive a power cut."""
    is_posix = hasattr(os, "O_DIRECTORY")
    if path.is_dir() and not is_posix:  # Windows opens no folder, and writes its names itself
        return
    descriptor = os.open(path, os.O_RDONLY if is_posix else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder; they write its names at once.
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, each flushed."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync(folder.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole: readers see the old content or the new one, never a part.

    Raises:
        UserError: the disk is full or refuses.
    """
    temporary = _temporary(path)
    with storage_errors(path, len(content)):
        make_folder(path.parent)
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            replace_file(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync(path.parent)


def replace_file(temporary: Path, path: Path) -> None:
    """Rename a file onto another one; on Windows for up to a second, while somebody has that one open."""
    num_tries = _NUM_TRIES if sys.platform == "win32" else 1
    while True:
        num_tries -= 1
        try:
            temporary.replace(path)
            return
        except PermissionError:
            if not num_tries:
                raise
        time.sleep(_PAUSE_SECONDS)


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `write_bytes` does. NaN and infinities are a ValueError: other programs cannot read them."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it cannot be read, or holds no JSON.
    """
    with storage_errors(path):
        content = path.read_bytes()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}): restore the file, or delete it and start again") from error


@contextmanager
def replace_folder(final: Path, before_publish: Callable[[], None] = _nothing) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `final` when the block ends and vanishes when it raises.

    An older `final` is moved away just before. A kill between those two renames leaves no `final`, so what must exist
    at every moment takes a new name each time and a link to it (`switch_link`). `before_publish` may still refuse.
    """
    temporary = _temporary(final)
    make_folder(final.parent)
    try:
        temporary.mkdir()
        yield temporary
        for path in sorted(temporary.rglob("*")):
            fsync(path)
        fsync(temporary)
        before_publish()
        if final.exists():
            discard(final)
        temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    fsync(final.parent)


def switch_link(link: Path, target: str) -> None:
    """Point a relative symbolic link at its sibling `target`; readers find the old one or the new one.

    Where there are none, as on Windows and on some disks, a file is written that holds the name; `follow_link` reads
    either.
    """
    if link.is_dir() and not link.is_symlink():
        discard(link)  # A copy of the run that followed its links left a folder here.
    temporary = _temporary(link)
    temporary.unlink(missing_ok=True)
    try:
        if sys.platform == "win32":  # it wants a right that few users have, and replaces no link to a folder
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(link))
        temporary.symlink_to(target, target_is_directory=True)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        write_bytes(link, target.encode())
    else:
        temporary.replace(link)
        fsync(link.parent)


def follow_link(link: Path) -> Path:
    """Return where a link of `switch_link` leads; any other path, with its symbolic links resolved.

    A file that holds something else than the name of a sibling leads nowhere: to itself.
    """
    here = Path(os.path.realpath(link))  # resolve() would raise for a link to itself
    if not here.is_file() or here.stat().st_size > _MAX_NAME_BYTES:
        return here
    name = here.read_bytes().decode("utf-8", "replace")
    return next((path for path in here.parent.iterdir() if path.name == name and path.is_dir()), here)


def discard(path: Path) -> None:
    """Remove a folder in one step for its readers: renamed, then deleted. A failure is only a warning."""
    try:
        gone = path.rename(_temporary(path, "old"))
        shutil.rmtree(gone)
    except OSError as error:
        logger.warning("%s could not be removed and still takes space: %s", path, error)


def remove_temporaries(folder: Path) -> None:
    """Remove the temporaries of killed processes. Only for the one process that writes into `folder`."""
    for path in sorted(folder.glob(f"{_TEMPORARY}*")):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:  # noqa: PERF203 (one that stays must not keep the others)
            logger.warning("%s, left by a killed process, could not be removed: %s", path, error)


def require_space(folder: Path, need_bytes: int) -> None:
    """Check that there is room on the disk of `folder`.

    Raises:
        UserError: there is less for us than `need_bytes`.
    """
    disk = shutil.disk_usage(folder)
    # What is free leaves out the blocks reserved for root. A file system that counts no blocks tells nothing.
    if disk.total and disk.free < need_bytes:
        raise UserError(_full(folder, need_bytes))


@contextmanager
def storage_errors(path: Path, need_bytes: int = 0) -> Iterator[None]:
    """Turn errors of the operating system into a UserError. `need_bytes`: size of what is to be written."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(_full(path, need_bytes)) from error
        raise UserError(describe_error(error, path)) from error


def describe_error(error: OSError, path: Path | None = None) -> str:
    """Name the place of an error of the operating system, what it is, and the fix; `path`: where it names none."""
    place = error.filename or path
    code = errno.errorcode.get(error.errno or 0, "no code")
    fix = _FIXES.get(error.errno or 0, "check the permissions, the disk and its mount, then start again")
    shown = f"{str(place)[:_MAX_SHOWN]}: " if place is not None else ""
    return f"{shown}{error.strerror or error} ({code}): {fix}"


def _full(path: Path, need_bytes: int) -> str:
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    have = shutil.disk_usage(there).free
    return (
        f"{path}: the disk is full: {need_bytes:,} bytes are needed and {have:,} are free (a quota may allow less). "
        "What was saved before is whole. Free space there or choose a run_dir on a larger disk, then resume"
    )
