"""torch.compile is a switch that changes the speed, and nothing that a run writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import real_runs as runs
from safetensors.torch import load_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=21, num_validation=8)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_compiled_run_learns_the_same_and_writes_the_same_files(source, tmp_path, precision):
    # Without dropout, whose numbers Inductor draws in its own way; 21 samples leave the last batch to be filled up.
    found = []
    for compiled in (False, True):
        config = runs.write_config(
            tmp_path / str(compiled) / "c.json",
            source,
            epochs=1,
            compile=compiled,
            mixed_precision=precision,
            model={"name": "without"},
        )
        runs.run(config)
        found.append((runs.epochs(config), load_file(runs.run_dir(config) / "model" / "model.safetensors")))
    (plain_epochs, plain), (compiled_epochs, compiled_weights) = found
    assert plain.keys() == compiled_weights.keys()
    tolerance = {"rel": 1e-4} if precision == "no" else {"rel": 0.02}
    for before, after in zip(plain_epochs, compiled_epochs, strict=True):
        assert after["train"]["loss"] == pytest.approx(before["train"]["loss"], **tolerance)
        assert after["validation"]["loss"] == pytest.approx(before["validation"]["loss"], **tolerance)
