"""A kill at any moment leaves a whole checkpoint. The killed processes are real."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from checkpoint_faults import KILLED, before_each_operation, holds, in_child, leftovers, save_step, steps

from mtl_accel.runs import manifest
from mtl_accel.runs.checkpoint import load

# Newer Pythons warn when a process with threads forks; these children only write files.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")]


# What is there before, and the save that is disturbed: (step, content, keep_last, best).
_SCENARIOS: dict[str, tuple[list[tuple[int, int, int, bool]], tuple[int, int, int, bool]]] = {
    "first save": ([], (1, 1, 2, True)),
    "second save": ([(1, 1, 2, False)], (2, 2, 2, False)),
    "same step again": ([(1, 1, 2, True), (2, 2, 2, False)], (2, 22, 2, True)),
    "pruning": ([(1, 1, 2, True), (2, 2, 2, False), (3, 3, 2, False)], (4, 4, 2, False)),
    "only one kept, best switched": ([(1, 1, 1, True), (2, 2, 1, False)], (3, 3, 1, True)),
    "after going back": ([(1, 1, 3, False), (2, 2, 3, True), (9, 9, 3, False)], (3, 3, 3, False)),
}


def _prepare(root: Path, name: str) -> tuple[list[int], int, list[int]]:
    """The contents that `last` may hold after the disturbed save: old and new; and those of `best`."""
    before, (_, seed, _, best) = _SCENARIOS[name]
    for arguments in before:
        save_step(root, *arguments)
    bests = [old for _, old, _, is_best in before if is_best][-1:] + [seed] * best
    return [old for _, old, _, _ in before][-1:], seed, bests


def _check_whole(root: Path, old: list[int], new: int, bests: list[int]) -> None:
    found = load(root)
    if found is None:
        assert not old, "the old checkpoint is lost"
    else:
        assert any(holds(found, seed) for seed in [*old, new])
        if bests[-1:] == [new] and holds(found, new):
            assert holds(load(root / "best"), new), "the state believes in a best that is not saved"
    assert all(manifest.find_damage(root / step) is None for step in steps(root)), "half a checkpoint under its name"
    if (root / "best").exists():
        assert any(holds(load(root / "best"), seed) for seed in bests)
    else:
        assert bests in ([], [new]), "the old best is lost"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill loses no flushed byte there either, and flushing costs nothing."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


def _check_that_the_run_goes_on(root: Path, step: int, keep_last: int) -> None:
    save_step(root, step, 77, keep_last)
    assert holds(load(root), 77)
    assert leftovers(root) == []
    assert len(steps(root)) <= keep_last + 1


@pytest.mark.parametrize("name", _SCENARIOS)
def test_disk_between_any_two_file_operations_holds_the_old_or_the_new_checkpoint(
    memory: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    root = memory / "checkpoints"
    old, new, bests = _prepare(root, name)
    step, _, keep_last, best = _SCENARIOS[name][1]
    photos: list[Path] = []

    def photograph(number: int) -> None:
        photos.append(memory / str(number))
        if root.exists():
            shutil.copytree(root, photos[-1], symlinks=True)

    with before_each_operation(photograph):
        save_step(root, step, new, keep_last, best)
    assert len(photos) > 20
    seen = set()
    for photo in [*photos, root]:
        _check_whole(photo, old, new, bests)
        seen.add(holds(load(photo), new))
        _check_that_the_run_goes_on(photo, step + 1, keep_last)
    assert seen == {False, True}, "photographs must fall on both sides of the switch"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_kill_before_any_file_operation_leaves_the_old_or_the_new_checkpoint(memory: Path) -> None:
    name, code = "only one kept, best switched", KILLED
    old, new, bests = _prepare(memory / "base", name)
    step, _, keep_last, best = _SCENARIOS[name][1]
    for number in count():
        root = shutil.copytree(memory / "base", memory / str(number), symlinks=True)

        def disturbed(root: Path = root, number: int = number) -> None:
            with before_each_operation(lambda now: os._exit(KILLED) if now == number else None):
                save_step(root, step, new, keep_last, best)

        code = in_child(disturbed)
        _check_whole(root, old, new, bests)
        _check_that_the_run_goes_on(root, step + 1, keep_last)
        if code == 0:
            break
        assert code == KILLED
    assert number > 20


@pytest.mark.parametrize("size", [0, 1, 50, 200, 400])
def test_kill_in_the_middle_of_a_file_leaves_the_old_checkpoint(tmp_path: Path, size: int) -> None:
    save_step(tmp_path, 1)

    def disturbed() -> None:
        # The kernel kills at the byte `size` of any file.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        save_step(tmp_path, 2)

    assert in_child(disturbed) == -signal.SIGXFSZ
    assert holds(load(tmp_path), 1)
    save_step(tmp_path, 2)
    assert holds(load(tmp_path), 2)
    assert leftovers(tmp_path) == []


def test_everything_is_flushed_before_it_gets_its_name(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    fsync, save_to = os.fsync, tmp_path / "run" / "checkpoints"

    def traced() -> None:
        def named_fsync(descriptor: int) -> None:
            events.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
            fsync(descriptor)

        os.fsync = named_fsync
        sys.addaudithook(lambda event, args: events.append((event, str(args[0]))) if event == "os.rename" else None)
        final = save_step(save_to, 1, best=True)
        renames = [index for index, (event, _) in enumerate(events) if event == "os.rename"]
        _, published, best, last = renames  # The first one points `best` at the folder to come.
        temporary = events[published][1]
        flushed = {path for event, path in events[:published] if event == "fsync"}
        assert {f"{temporary}/{path.name}" for path in final.iterdir()} | {temporary} <= flushed
        assert {str(tmp_path), str(tmp_path / "run")} <= flushed, "the new folders themselves"
        for index in renames:
            assert events[index + 1] == ("fsync", str(save_to))
        assert "best" in events[best][1] and "last" in events[last][1]

    assert in_child(traced) == 0
