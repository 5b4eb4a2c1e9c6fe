"""One run, one owner. Owners are real processes, and they die by kill -9."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mtl_accel.core.errors import UserError
from mtl_accel.runs import lock as lock_module
from mtl_accel.runs.lock import LOCK, lock_run_folder, owner_of

# Newer Pythons warn when a process with threads forks; these children only lock and wait.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@contextmanager
def _process(work: Callable[[], None]) -> Iterator[int]:
    """A forked process that says when it has done `work` and then lives until the block ends or it is killed."""
    done_read, done_write = os.pipe()
    live_read, live_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(live_write)
            work()
            os.write(done_write, b"x")
            os.read(live_read, 1)
        finally:
            os._exit(0)
    os.close(done_write)
    try:
        assert os.read(done_read, 1) == b"x", "the process died before it was ready"
        yield pid
    finally:
        for descriptor in (live_read, live_write, done_read):
            os.close(descriptor)
        with suppress(ChildProcessError):  # A test may have killed it.
            os.waitpid(pid, 0)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _hold(run_dir: Path) -> Callable[[], None]:
    def work() -> None:
        context = lock_run_folder(run_dir)
        context.__enter__()
        _open_contexts.append(context)

    return work


_open_contexts: list[object] = []  # Keeps the locks of a child for its life.


@pytest.fixture(params=["flock", "filelock"])
def _either_lock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of POSIX, and the one of systems without it."""
    if request.param == "filelock":
        monkeypatch.setattr(lock_module, "fcntl", None)


def test_second_start_is_refused_with_host_process_and_time_of_the_first(_either_lock: None, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with _process(_hold(run_dir)) as pid:
        with pytest.raises(UserError) as refusal, lock_run_folder(run_dir):
            pytest.fail("two owners")
        started = json.loads((run_dir / LOCK).read_text())["started"]
        for word in (str(run_dir), f"{socket.gethostname()}:{pid}", started, "choose another run_dir"):
            assert word in str(refusal.value)
    with lock_run_folder(run_dir) as lock:
        assert lock.still_owned()


def test_refusal_leaves_the_first_owner_in_possession(_either_lock: None, tmp_path: Path) -> None:
    with lock_run_folder(tmp_path) as lock:
        for _ in range(2):
            with pytest.raises(UserError), lock_run_folder(tmp_path):
                pytest.fail("two owners")
        assert lock.still_owned()
    assert not lock.still_owned()


def test_lock_of_a_killed_owner_is_free_at_once(_either_lock: None, tmp_path: Path) -> None:
    with _process(_hold(tmp_path)) as pid:
        _kill(pid)
        with lock_run_folder(tmp_path) as lock:
            assert lock.still_owned()


def test_orphaned_worker_of_a_killed_owner_does_not_keep_the_lock(tmp_path: Path) -> None:
    live_read, live_write = os.pipe()
    born_read, born_write = os.pipe()

    def own_and_start_a_worker() -> None:
        _hold(tmp_path)()
        if os.fork() == 0:
            os.close(live_write)
            os.write(born_write, b"%d" % os.getpid())
            os.read(live_read, 1)  # Returns when the test closes its end.
            os._exit(0)

    with _process(own_and_start_a_worker) as pid:
        worker = int(os.read(born_read, 20))
        with pytest.raises(UserError), lock_run_folder(tmp_path):
            pytest.fail("the owner lives")
        _kill(pid)
        os.kill(worker, 0)  # The worker still lives.
        with lock_run_folder(tmp_path) as lock:
            assert lock.still_owned()
        os.kill(worker, 0)
    for descriptor in (live_read, live_write, born_read, born_write):
        os.close(descriptor)


def test_exit_of_a_worker_does_not_free_the_lock_of_its_living_owner(tmp_path: Path) -> None:
    with lock_run_folder(tmp_path) as lock:
        with _process(lambda: None):
            pass
        assert lock.still_owned()
        with pytest.raises(UserError), lock_run_folder(tmp_path):
            pytest.fail("two owners")


def test_reading_the_lock_file_does_not_free_it(tmp_path: Path) -> None:
    with lock_run_folder(tmp_path):
        assert owner_of(tmp_path).startswith(f"{socket.gethostname()}:{os.getpid()} since ")
        with _process(lambda: None), pytest.raises(UserError), lock_run_folder(tmp_path):
            pytest.fail("two owners")


def test_owner_whose_lock_file_was_deleted_knows_that_another_took_over(tmp_path: Path) -> None:
    with lock_run_folder(tmp_path) as first:
        (tmp_path / LOCK).unlink()
        assert not first.still_owned()
        with _process(_hold(tmp_path)) as pid:
            assert not first.still_owned()
            assert f":{pid} " in owner_of(tmp_path)


def test_copy_of_the_lock_file_is_not_the_lock(tmp_path: Path) -> None:
    with lock_run_folder(tmp_path) as lock:
        content = (tmp_path / LOCK).read_bytes()
        (tmp_path / LOCK).rename(tmp_path / "moved")
        (tmp_path / LOCK).write_bytes(content)
        assert not lock.still_owned()


def test_owner_overwritten_in_the_file_knows_it(tmp_path: Path) -> None:
    with lock_run_folder(tmp_path) as lock:
        (tmp_path / LOCK).write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "now", "token": "other"}))
        assert not lock.still_owned()
    assert "elsewhere:1" in owner_of(tmp_path), "an owner that lost the folder must not erase the new one's name"


def test_new_owner_removes_what_a_killed_one_left_half_written(tmp_path: Path) -> None:
    (tmp_path / ".tmp-status.json-1-new").write_text("{")
    (tmp_path / ".tmp-model-1-new").mkdir()
    with lock_run_folder(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_disk_without_locks_goes_by_host_and_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with _process(_hold(tmp_path)) as pid:
        with pytest.raises(UserError, match=f":{pid} since "), lock_run_folder(tmp_path):
            pytest.fail("two owners")
        _kill(pid)
        with lock_run_folder(tmp_path) as lock:
            assert lock.still_owned()
    (tmp_path / LOCK).write_text(json.dumps({"host": "elsewhere", "pid": pid, "started": "now", "token": "other"}))
    with pytest.raises(UserError, match="delete"), lock_run_folder(tmp_path):
        pytest.fail("the process of another host may live")


def test_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with (
            pytest.raises(UserError, match=rf"^run_dir: {tmp_path}/file is a file; give the path of a folder"),
            lock_run_folder(folder),
        ):
            pytest.fail("owned a file")
