"""launch/bench.py on a tiny config, and its parts: what is measured, on what, and what the row says."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from typing import Any

import pytest
import real_runs as runs
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_run import Small

import mtl_accel
from mtl_accel import models
from mtl_accel.config import Config, read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.metrics.registry import metric_names
from mtl_accel.preflight.benchmark.accuracy import measure_accuracy, spread
from mtl_accel.preflight.benchmark.contest import CACHES, PEERS, PLAIN, compare_loops, contest
from mtl_accel.preflight.benchmark.contestants.huggingface import HuggingFace
from mtl_accel.preflight.benchmark.fresh_process import answer, request_of
from mtl_accel.preflight.benchmark.prepare import whole_batches
from mtl_accel.preflight.benchmark.settings import SWITCHES, Settings, read_settings
from mtl_accel.preflight.benchmark.start import check_scale

pytestmark = pytest.mark.slow

NAMES = {
    *("share_of_limit", "metrics_share", "import_seconds", "start_seconds", "peak_host_memory_mb"),
    *("vs_huggingface", "vs_notebook", "vs_huggingface_fp32", "vs_notebook_fp32"),
}
RATES = {
    *("limit", "loop", "validation", *(f"data_{cache}" for cache in CACHES)),
    *(*PEERS, *(f"{peer}_validation" for peer in PEERS)),
}


@pytest.fixture(autouse=True)
def small_on_cpu(monkeypatch, on_cpu) -> None:
    """A small model, and an Accelerator of each test's own."""
    monkeypatch.setitem(models.MODELS, "small", Small)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    """Drawn shapes, some of whose labels are missing, in two micro-batches a step."""
    folder = tmp_path_factory.mktemp("bench")
    source = runs.write_source(folder / "source", num_train=37, num_validation=13)
    return read_config(runs.write_config(folder / "c.json", source, mixed_precision="no"))


def finite_and_positive(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def test_the_script_ends_with_one_row_of_figures(tmp_path):
    """The real script and configuration: drawn garments of 32 pixels, and fresh processes for start and scale."""
    wardrobe = {"num_train": 40, "num_validation": 8, "num_test": 1, "image_size": 32}
    transforms = [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}]
    command = [sys.executable, "launch/bench.py", "--config", "configs/v1.json", "--model.weights", "null"]
    command += ["--batch_size", "4", "--mixed_precision", "no", "--run_dir", str(tmp_path / "run")]
    command += ["--data.wardrobe", json.dumps(wardrobe), "--data.cache_dir", str(tmp_path / "cache")]
    command += ["--transforms", json.dumps({"train": transforms, "eval": transforms}), "--data.num_workers", "1"]
    command += ["--rounds", "1", "--images", "8", "--steps", "2", "--scale", "40"]
    done = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *text, last = done.stdout.splitlines()
    row = json.loads(last)
    assert {name: row[name] for name in NAMES if not finite_and_positive(row[name])} == {}
    assert row["images_per_second"].keys() == RATES
    assert all(map(finite_and_positive, row["images_per_second"].values()))
    assert (row["train_images"], row["batch_size"], row["image_size"], row["notes"]) == (8, 4, [32, 32], [])
    assert [each["images"] for each in row["scale"]] == [40]
    assert all(finite_and_positive(row["scale"][0][name]) for name in ("start_seconds", "seconds_per_image"))
    printed = "\n".join(text)
    for part in ("the model alone", "our loop", "Hugging Face's loop", "all in float32", "start: ", "training images"):
        assert part in printed
    assert not (tmp_path / "run").exists()
    assert sorted(path.name for path in (tmp_path / "cache").glob("benchmark-*")) == []


def test_a_row_says_what_was_measured_and_follows_from_its_rounds(config):
    row = contest(config, Settings(rounds=3, images=16))
    seconds = row["seconds"]
    assert {len(each) for each in seconds.values()} == {3}
    rates = row["images_per_second"]
    assert rates["loop"] == pytest.approx(16 / statistics.median(seconds["ours/train"]))
    assert rates["limit"] == pytest.approx(16 / statistics.median(seconds["limit/train"]))
    # Ratios are of two in the same round.
    assert row["share_of_limit"] == pytest.approx(ratio(seconds["limit/train"], seconds["ours/train"]))
    evaluation = [sum(each) for each in zip(seconds["ours/predict"], seconds["ours/metrics"], strict=True)]
    assert row["metrics_share"] == pytest.approx(ratio(seconds["ours/metrics"], evaluation))
    ours = [sum(each) for each in zip(evaluation, seconds["ours/train"], seconds["ours/train_metrics"], strict=True)]
    assert row["epoch_seconds"]["ours"] == pytest.approx(statistics.median(ours))
    for peer in PEERS:
        whole = [sum(each) for each in zip(seconds[f"{peer}/train"], seconds[f"{peer}/validation"], strict=True)]
        assert row[f"vs_{peer}"] == pytest.approx(ratio(whole, ours))
    assert (row["train_images"], row["validation_images"], row["micro_batch_size"]) == (16, 6, 4)
    assert row["notes"] == ["the peers do not support missing labels, and take 3 of the training split as 0"]


def test_without_images_the_model_s_own_speed_sets_their_number_and_peers_may_be_left_out(config):
    row = contest(config, Settings(rounds=1, seconds=1e-9, peers=False))
    assert row["train_images"] == 2 * config.batch_size
    assert not [name for name in row["images_per_second"] if name.startswith(PEERS)]
    assert row["epoch_seconds"].keys() == {"ours"} and row["notes"] == []


def test_a_fresh_process_s_contest_has_the_loops_and_peers_alone(config):
    """What a config of another precision is compared with in float32; here without the process around it."""
    request = json.dumps(request_of(compare_loops, config, Settings(rounds=1, images=8)))
    row = json.loads(json.dumps(answer(json.loads(request))))
    assert row["images_per_second"].keys() == RATES - {"limit", *(f"data_{cache}" for cache in CACHES)}
    assert "share_of_limit" not in row and row["epoch_seconds"].keys() == {"ours", *PEERS}


def test_beside_a_bfloat16_run_hugging_face_s_loop_also_runs_in_float32(config):
    bf16 = config.model_copy(update={"mixed_precision": "bf16"})
    row = compare_loops(bf16, Settings(rounds=1, images=8))
    assert row["precision"] == "bf16" and row["epoch_seconds"].keys() == {"ours", PLAIN, *PEERS}
    assert finite_and_positive(row[f"vs_{PLAIN}"])
    labelled = read_dataset(bf16)
    for plain, dtype in ((False, torch.bfloat16), (True, torch.float32)):
        peer = HuggingFace(bf16, labelled, bf16.batch_size, plain=plain)
        seen: list[torch.dtype] = []
        head = next(module for module in peer.model.modules() if isinstance(module, torch.nn.Linear))
        head.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output.dtype))
        peer.validate()
        assert set(seen) == {dtype}


def test_accuracy_is_that_of_both_loops_over_seeds(config):
    found = measure_accuracy(config.model_copy(update={"epochs": 1}), num_seeds=2, num_workers=0)
    assert set(found) == {
        *(f"category/{name}" for name in metric_names("multiclass")),
        *(f"attribute/{name}" for name in metric_names("multilabel")),
    }
    for metric in found.values():
        assert metric.keys() == {"ours", "huggingface"}
        assert all(0 <= each["mean"] <= 1 and each["deviation"] >= 0 for each in metric.values())
    assert spread([1.0, 3.0]) == {"mean": 2.0, "deviation": pytest.approx(2**0.5)}
    assert spread([1.0]) == {"mean": 1.0, "deviation": 0.0}


@given(images=st.floats(0, 1e6), batch_size=st.integers(1, 99), available=st.integers(1, 999))
def test_a_part_of_the_data_has_whole_batches_unless_there_is_not_one(images, batch_size, available):
    number = whole_batches(images, batch_size, available)
    assert 1 <= number <= available
    assert number % batch_size == 0 or number == available < batch_size


def test_every_switch_has_a_meaning_and_every_wrong_value_is_told_at_once():
    assert all(SWITCHES.values())
    assert read_settings({"scale": "10,20", "peers": False}) == Settings(scale=(10, 20), peers=False)
    assert read_settings({"scale": 10}).scale == (10,)
    with pytest.raises(UserError) as caught:
        read_settings({"rounds": 0, "scale": "ten,20", "peers": "maybe", "steps": 1})
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["--rounds", "--peers", "--steps", "--scale"]
    assert all("(got " in problem for problem in caught.value.problems)


def test_several_processes_and_sizes_of_no_two_batches_are_refused(config, monkeypatch):
    with pytest.raises(UserError, match=r"--scale: \[9\] images are less than two batches of 8"):
        check_scale(config, Settings(scale=(16, 9)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="a benchmark measures one process"):
        mtl_accel.measure(config)
