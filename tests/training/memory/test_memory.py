"""The memory of a run grows by a few bytes an image, and not with its steps and epochs; a lack of it is told.

Nor do the files that it opens become more.
"""

import csv
import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import real_runs as runs
import torch
from scipy import stats
from sources_drawn import quiet_caches  # noqa: F401

from mtl_accel import config as config_module
from mtl_accel import metrics
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import dataset
from mtl_accel.data.sources import table_cache
from mtl_accel.training.memory.out_of_memory import out_of_memory_errors

pytestmark = pytest.mark.slow

# Far apart: what is allocated once, at whatever read comes first, was 50 KB, or 12 bytes of each of 4,096 more images.
FEW, MANY = 2 * table_cache.ROWS, 24 * table_cache.ROWS
# What an image adds to the peak while its table is read: names of files, a set of the ids. Python objects for its
# cells would add 1,000 bytes.
PEAK_BYTES = 350
# What it adds for the length of the run: targets (9 bytes for the class, 5 for each of four numbers) and the number
# of its row (8), because validation is held out; and some slack.
KEPT_BYTES = 9 + 4 * 5 + 8 + 13
TASKS = {
    "category": {"kind": "multiclass", "column": "category"},
    "attribute": {"kind": "multilabel", "columns": ["big", "red", "left"]},
    "price": {"kind": "regression", "columns": ["price"]},
}
MICRO_BATCH_BYTES = 32 * 3 * 32 * 32
# What a step may leave behind. A run leaves nothing, or 200 bytes.
LEFT_BYTES = MICRO_BATCH_BYTES / 4
# A leak fills the blocks that the start of a run freed before it asks the system for more: over four epochs of 12 steps
# its slope was anything from 0.7 to 1.2 times what leaked, over nine 1.07 to 1.24.
NUM_EPOCHS = 9
POOLS: list[pa.MemoryPool] = []  # of Arrow; what was taken from one may outlive its test


def rows_of(count: int) -> list[dict]:
    numbers = {"red": 1, "left": 0}
    return [
        {"file_name": f"{n}.png", "category": "abc"[n % 3], "big": n % 2, **numbers, "price": n / 7}
        for n in range(count)
    ]


def write_csv(folder: Path, rows: list[dict]) -> Path:
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "metadata.csv"


def write_jsonl(folder: Path, rows: list[dict]) -> Path:
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "metadata.jsonl"


def write_parquet(folder: Path, rows: list[dict]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), folder / "metadata.parquet")
    return folder / "metadata.parquet"


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[int, Path]:
    """Folders of so many files: a table is read without a look into its images."""
    found = {}
    for count in (FEW, MANY):
        found[count] = tmp_path_factory.mktemp("source")
        (found[count] / "train").mkdir()
        for row in rows_of(count):
            (found[count] / "train" / row["file_name"]).touch()
    return found


def bytes_of_reading(config: config_module.Config) -> tuple[int, int]:
    """What Python, numpy and Arrow hold at the peak while a source is read, and afterwards."""
    usual, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    POOLS.append(pool)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        found = dataset.read_dataset(config)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()  # circles that nobody holds go at the latest then, and count as kept until then
        kept, _ = tracemalloc.get_traced_memory()
        assert len(found.splits["train"])
        return peak + pool.max_memory(), kept + pool.bytes_allocated()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_an_image_of_a_table_takes_few_bytes(write, roots, tmp_path):
    taken = {}
    for count in (FEW, MANY):
        table = write(roots[count] / "train", rows_of(count))
        path = runs.write_config(tmp_path / f"{count}.json", roots[count], tasks=TASKS)
        taken[count] = bytes_of_reading(config_module.validate(config_module.read_json(path), path))
        table.unlink()
    peak, kept = ((taken[MANY][n] - taken[FEW][n]) / (MANY - FEW) for n in (0, 1))
    assert peak < PEAK_BYTES
    assert kept < KEPT_BYTES


def test_a_second_start_opens_as_many_files_for_many_images_as_for_few(roots, tmp_path):
    opened: list[str] = []
    counting = [False]  # a hook cannot be taken away again
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if counting[0] and event == "open" else None)
    counts = []
    for count, root in roots.items():
        table = write_csv(root / "train", rows_of(count))
        path = runs.write_config(tmp_path / f"{count}.json", root, tasks=TASKS)
        config = config_module.validate(config_module.read_json(path), path)
        dataset.read_dataset(config)
        opened.clear()
        counting[0] = True
        dataset.read_dataset(config)
        counting[0] = False
        counts.append(len(opened))
        assert not [name for name in opened if name.endswith(".png")]
        table.unlink()
    assert counts[0] == counts[1]


def bytes_left_by_a_step(config: Path) -> float:
    """The slope of a run's memory over its steps, the first third of them left out: there caches fill.

    It is Theil and Sen's, the median over all pairs of steps: one block that the system gives once, which may be half
    a megabyte, is 11 KB a step for least squares and nothing here, while what each step or epoch leaves is seen whole.
    """
    taken = np.loadtxt(runs.run_dir(config) / "memory.txt")
    return float(stats.theilslopes(taken[len(taken) // 3 :])[0])


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("drawn"), num_train=12 * 32, num_validation=32)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which memory is a process's own")
@pytest.mark.parametrize(("cache", "leak"), [("disk", 0), ("none", 0), ("disk", MICRO_BATCH_BYTES)])
def test_steps_and_epochs_leave_nothing_in_memory_and_a_leak_would_be_seen(cache, leak, source, tmp_path):
    data = {"source": str(source), "cache_dir": str(source / "cache"), "num_workers": 0, "cache": cache}
    sizes = {"batch_size": 32, "micro_batch_size": 32, "epochs": NUM_EPOCHS}
    config = runs.write_config(tmp_path / "c.json", source, data=data, **sizes)
    runs.run(config, MEMORY="1", LEAK=str(leak))
    left = bytes_left_by_a_step(config)
    assert left > 3 * LEFT_BYTES if leak else abs(left) < LEFT_BYTES


def test_the_batches_of_workers_leave_no_file_open(tmp_path):
    """A worker shares each tensor as an open file; an epoch here has more batches than may be open at once."""
    source = runs.write_source(tmp_path / "source", num_train=150, num_validation=4)
    data = {"source": str(source), "cache": "none", "num_workers": 1}
    config = runs.write_config(tmp_path / "c.json", source, data=data, batch_size=1, micro_batch_size=1, epochs=1)
    runs.run(config, NOFILE="128")


def test_the_libraries_of_the_metrics_are_imported_when_something_is_measured():
    script = "import sys; from mtl_accel import metrics; print({'evaluate', 'sklearn', 'scipy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
    assert [name for name in metrics.__all__ if not hasattr(metrics, name)] == []


def test_training_does_not_import_scikit_learn():
    """It takes most of a second and 75 MB of each process, for the folds of groups alone."""
    script = "import sys, mtl_accel.training.train; print('sklearn' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


DEVICE = torch.device("cpu")


def out_of_memory(batch_size: int, micro_batch_size: int, error: Exception | None = None) -> str:
    with pytest.raises(UserError) as caught, out_of_memory_errors(batch_size, micro_batch_size, DEVICE):
        if error is not None:
            raise error
        torch.empty(1 << 60, dtype=torch.uint8)
    return str(caught.value)


@pytest.mark.parametrize(
    ("micro_batch_size", "fix"),
    [(64, "--micro_batch_size 32:"), (9, "--micro_batch_size 3:"), (7, "--micro_batch_size 1:"), (1, "choose smaller")],
)
def test_a_lack_of_memory_names_the_size_the_peak_and_the_next_size_to_try(micro_batch_size, fix):
    message = out_of_memory(64, micro_batch_size)
    assert f"{micro_batch_size} pictures in a forward pass, of a batch_size of 64; the peak so far was" in message
    assert fix in message and "DefaultCPUAllocator" in message


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_every_lack_of_memory_is_told_so(error):
    assert "give --micro_batch_size 4: the gradient stays that of the whole batch" in out_of_memory(8, 8, error)


def test_any_other_error_is_no_lack_of_memory():
    with pytest.raises(RuntimeError, match="a bug"), out_of_memory_errors(8, 8, DEVICE):
        raise RuntimeError("a bug")
