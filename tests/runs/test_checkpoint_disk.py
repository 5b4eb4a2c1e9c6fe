"""Full and refusing disks. They are real: a small one is mounted and filled."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from checkpoint_faults import REFUSED, before_each_operation, content, holds, in_child, leftovers, save_step, steps

from mtl_accel.core.errors import UserError
from mtl_accel.runs.checkpoint import load, save, step_name

# Newer Pythons warn when a process with threads forks; these children only write files.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB and 60 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=60", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill_up(disk: Path, leave_bytes: int) -> None:
    with (disk / "ballast").open("wb", buffering=0) as stream:
        size = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - leave_bytes
        os.posix_fallocate(stream.fileno(), 0, max(size, 4096))


def _fill_inodes(disk: Path, _: int) -> None:
    for number in range(os.statvfs(disk).f_favail):
        (disk / f"ballast-{number}").touch()


def _big(root: Path, step: int, best: bool = False) -> None:
    tensors, state = content(step, numbers=20_000)  # Two files of 240 kB.
    save(root, step_name(step), tensors, state, 2, best)


@pytest.mark.parametrize(
    ("fill", "leave_bytes"), [(_fill_up, 0), (_fill_up, 100_000), (_fill_up, 300_000), (_fill_inodes, 0)]
)
def test_disk_that_fills_up_at_any_stage_leaves_the_old_checkpoint_and_no_litter(
    small_disk: Path, fill: Callable[[Path, int], None], leave_bytes: int
) -> None:
    root = small_disk / "checkpoints"
    refusals = 0
    for number in count():
        _big(root, 1, best=True)
        refused = False
        with before_each_operation(lambda now, number=number: fill(small_disk, leave_bytes) if now == number else None):
            try:
                _big(root, 2)
            except UserError as error:
                assert "disk is full" in str(error)
                refused = True
        ballast = list(small_disk.glob("ballast*"))
        for path in ballast:
            path.unlink()
        found = load(root)
        # Refused after its rename, the new one is whole and only a link to it may be missing.
        assert found is not None and found.state["step"] in ((1, 2) if refused else (2,))
        assert leftovers(root) == []
        assert (root / "best").exists()
        _big(root, 3)
        assert steps(root)[-1] == step_name(3)
        shutil.rmtree(root)
        refusals += refused
        if not ballast:
            break
    assert refusals > 0


def test_missing_space_is_found_before_writing_and_named(small_disk: Path) -> None:
    root = small_disk / "checkpoints"
    _big(root, 1)
    _fill_up(small_disk, 400_000)
    begun: list[str] = []
    with pytest.raises(UserError) as refusal, before_each_operation(lambda _: begun.extend(leftovers(root))):
        _big(root, 2)
    assert begun == []
    message = str(refusal.value)
    numbers = [int(word.replace(",", "")) for word in message.split() if word.replace(",", "").isdigit()]
    need, have = numbers
    assert 480_000 < need < 700_000
    assert 390_000 < have <= 400_000
    assert str(root) in message and "larger disk" in message
    assert (found := load(root)) is not None and found.state["step"] == 1


def test_disk_that_refuses_is_an_error_with_place_and_reason(tmp_path: Path) -> None:
    save_step(tmp_path, 1)

    def disturbed() -> None:
        # Python ignores the signal: every write past the limit fails with EFBIG, in the library's own writer too.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            _big(tmp_path, 2)
        except UserError as error:
            assert "EFBIG" in str(error) and ".safetensors" in str(error)
            raise

    assert in_child(disturbed) == REFUSED
    assert holds(load(tmp_path), 1)
    assert leftovers(tmp_path) == []


def test_folder_that_is_no_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        save_step(tmp_path / "file" / "checkpoints", 1)
