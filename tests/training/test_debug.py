"""Debug runs: two batches of everything, or one batch learnt by heart."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import real_runs as runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


@pytest.mark.parametrize("version", ["v1", "v5"])
def test_a_version_runs_two_batches_without_a_launcher(tmp_path, version):
    """The real script and config; a small batch and small pictures, so that VGG16 is quick on a CPU."""
    wardrobe = {"num_train": 20, "num_validation": 10, "num_test": 2, "image_size": 64}
    command = [sys.executable, "launch/train.py", "--config", f"configs/{version}.json", "--debug"]
    command += ["--model.weights", "null", "--batch_size", "4", "--run_dir", str(tmp_path / version)]
    command += ["--data.wardrobe", json.dumps(wardrobe), "--data.cache_dir", str(tmp_path / "cache")]
    done = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("8 train, 8 validation", "2 steps an epoch", "(4, 3, 224, 224)", "backbone: ", "peak memory: "):
        assert part in done.stdout
    assert "===== Epoch 1 =====" in done.stdout
    assert "===== Epoch 2 =====" not in done.stdout
    assert (tmp_path / f"{version}-debug" / "model" / "model.safetensors").exists()


def test_a_debug_run_says_what_it_works_on_and_leaves_the_real_run_folder_alone(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source)
    output = runs.run(config, "--debug", "batches")
    for part in ("16 train, 13 validation", "category: multiclass", "circle: ", "big: ", "heads: 102 parameters"):
        assert part in output
    assert not runs.run_dir(config).exists()
    assert (tmp_path / "run-debug" / "status.json").exists()


def test_overfit_learns_its_batch_though_the_config_smooths_labels_and_draws_samples(source, tmp_path):
    smoothed = {"kind": "multiclass", "column": "category", "loss": {"name": "cross_entropy", "label_smoothing": 0.5}}
    config = runs.write_config(
        tmp_path / "c.json",
        source,
        data={"source": str(source), "cache_dir": str(source / "cache"), "sampler": {"name": "rare_labels"}},
        tasks={"category": smoothed, "attribute": {"kind": "multilabel"}},
        optimizer={"name": "AdamW", "lr": 0.03},
        model={"name": "deep"},
    )
    output = runs.run(config, "--debug", "overfit")
    assert "learnt: the loss fell from" in output
    line = r"^step (\d+) of 100: loss (\d\.\d{4}), category/accuracy \d\.\d{4}, attribute/f1_macro \d\.\d{4}$"
    steps, losses = zip(*re.findall(line, output, re.MULTILINE), strict=True)
    assert list(map(int, steps)) == [1, 12, 23, 34, 45, 56, 67, 78, 89, 100]
    assert float(losses[-1]) < 0.1 * float(losses[0])
    assert "===== Epoch" not in output


def test_overfit_fails_when_nothing_can_be_learnt_and_says_which_labels_have_no_positive(source, tmp_path):
    changes = {"optimizer": {"name": "SGD", "lr": 1e-9}, "batch_size": 2, "micro_batch_size": 2, "seed": 3}
    config = runs.write_config(tmp_path / "c.json", source, **changes)
    code, output = runs.finish(runs.start(config, "--debug", "overfit"))
    counts = re.search(r"^  big: (\d), red: (\d), left: (\d)$", output, re.MULTILINE)
    assert counts is not None
    missing = [name for name, number in zip(runs.LABELS, counts.groups(), strict=True) if number == "0"]
    named = f"in the batch (F1 0 where labelled): {', '.join(map(repr, missing))}\n"
    assert missing and f"attribute: f1_macro over 3 of 3 labels, map over {3 - len(missing)} of 3 labels; " in output
    assert named in output
    assert code == 2
    assert "error: --debug overfit: after 100 steps on one batch the loss is" in output
    assert json.loads((tmp_path / "run-debug" / "status.json").read_text())["status"] == "failed"
