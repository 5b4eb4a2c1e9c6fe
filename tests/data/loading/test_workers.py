"""Loader workers where memory, shared memory or open files are scarce: the same batches, or one clear error."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import real_runs as runs
import torch
from loading_cases import targets_of

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.batch import Batch, UnreadableBatch
from mtl_accel.data.loading.loader import MicroBatches, TrainingLoader, TrainingOrder

# Newer Pythons warn when a process with threads forks, as torch's DataLoader does.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class Pixels:
    """Images that are their row's number; before the third read of a worker something happens to it."""

    decodes = True

    def __init__(self, event: Callable[[], object]) -> None:
        self.event, self.main, self.reads = event, os.getpid(), 0

    def __len__(self) -> int:
        return 40

    def read(self, rows: np.ndarray) -> torch.Tensor:
        self.reads += 1
        if os.getpid() != self.main and self.reads == 3:
            self.event()
        return torch.from_numpy(rows.astype(np.uint8))[:, None, None, None].expand(-1, 3, 4, 4).contiguous()


def batches_of(event: Callable[[], object]) -> list[Batch]:
    order = TrainingOrder(40, 4, 4, seed=0)
    loader = TrainingLoader(MicroBatches(Pixels(event), targets_of(40)), order, 0, 1, 2, torch.device("cpu"))
    return [batch for _, batches, _ in loader.steps(0, 0) for batch in batches]


def failing(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "was ended",
        ),
        (lambda: os._exit(1), "most likely by the system, because memory ran out"),
        (failing(OSError(24, "Too many open files")), "no more files can be opened; allow more (ulimit -n 4096)"),
        (failing(RuntimeError("unable to write to file </torch_1>: No space left on device (28)")), "/dev/shm is full"),
    ],
)
def test_a_worker_that_ends_or_finds_no_room_is_told_with_the_fix(event, message):
    with pytest.raises(UserError) as caught:
        batches_of(event)
    (problem,) = caught.value.problems
    assert problem.startswith("data.num_workers: ") and message in problem


def test_any_other_error_of_a_worker_passes_with_its_traceback():
    with pytest.raises(KeyError, match="a bug of ours"):
        batches_of(failing(KeyError("a bug of ours")))


def test_a_batch_that_is_sent_by_value_comes_back_as_it_was():
    (batch, *_) = batches_of(lambda: None)
    sent = batch.by_value()
    assert all(isinstance(array, np.ndarray) for array in sent.tensors())
    for tensor, back in zip(batch.tensors(), sent.received().tensors(), strict=True):
        assert tensor.dtype == back.dtype and torch.equal(tensor, back)
    unreadable = UnreadableBatch(["broken"])
    assert unreadable.by_value().received() == unreadable


FIVE = [{"name": "Resize", "size": [128, 128]}, {"name": "Normalize"}]


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """A run that decodes in workers, and ended without a lack of anything."""
    folder = tmp_path_factory.mktemp("run")
    source = runs.write_source(folder / "source", num_train=24, num_validation=8)
    data = {"source": str(source), "cache": "none", "cache_dir": str(folder / "cache"), "num_workers": 2}
    transforms = {"train": FIVE, "eval": FIVE}
    path = runs.write_config(folder / "c.json", source, epochs=1, data=data, transforms=transforms)
    runs.run(path)
    return path


def another(config: Path, folder: Path, **data: int) -> Path:
    changed = json.loads(config.read_text())
    changed |= {"run_dir": str(folder / "run"), "data": changed["data"] | data}
    (folder / "c.json").write_text(json.dumps(changed))
    return folder / "c.json"


@pytest.mark.slow
def test_with_few_open_files_workers_send_through_pipes_and_the_weights_are_the_same(config, tmp_path):
    few = another(config, tmp_path, num_workers=8)
    output = runs.run(few, NOFILE="256")
    assert "batches go through pipes, which is slower: 256 open files are allowed (ulimit -n) of the" in output
    assert runs.digest(few) == runs.digest(config)


def may_mount() -> bool:
    unshare = shutil.which("unshare")
    command = [unshare or "", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]  # of a namespace of its own
    return unshare is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="no mount namespace may be made here")
@pytest.mark.parametrize(
    ("size", "message"),
    [("1500k", "which is slower: /dev/shm has 1.5 MB free of the"), ("16k", "too few for any loader worker")],
)
def test_with_little_shared_memory_the_run_ends_with_the_same_weights(config, tmp_path, size, message):
    small = another(config, tmp_path)
    python = f"{sys.executable} {runs.SMALL_RUN} --config {small}"
    command = ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs -o size={size} tmpfs /dev/shm && exec {python}"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert message in done.stderr
    assert runs.digest(small) == runs.digest(config)
