"""Mixed precision: what the launcher says counts, unless the config says otherwise."""

import json
import math
import time
from pathlib import Path

import pytest
import real_runs as runs
import torch

from mtl_accel.launching.precision import speedup

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=24, num_validation=8)


@pytest.mark.parametrize(
    ("configured", "launched", "used"), [(None, "bf16", "bf16"), ("no", "bf16", "no"), ("bf16", "no", "bf16")]
)
def test_the_launcher_s_precision_counts_unless_the_config_names_one(source, tmp_path, configured, launched, used):
    config = runs.write_config(tmp_path / "c.json", source, mixed_precision=configured, epochs=1)
    runs.run(config, ACCELERATE_MIXED_PRECISION=launched)
    assert json.loads((runs.run_dir(config) / "environment.json").read_text())["mixed_precision"] == used
    assert math.isfinite(runs.epochs(config)[0]["validation"]["loss"])


def test_bf16_is_close_to_full_precision_and_not_the_same(source, tmp_path):
    losses = []
    for precision in ("no", "bf16"):
        config = runs.write_config(tmp_path / precision / "c.json", source, mixed_precision=precision, epochs=1)
        runs.run(config)
        losses.append(runs.epochs(config)[0]["train"]["loss"])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_fp16_on_a_cpu_is_refused(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, mixed_precision="fp16")
    code, output = runs.finish(runs.start(config))
    assert code == 2
    assert 'mixed_precision: "fp16" does nothing on a CPU' in output


class Slow(torch.nn.Linear):
    """Waits longer in one of the two precisions."""

    def __init__(self, seconds: dict[bool, float]) -> None:
        super().__init__(2, 2)
        self.seconds, self.passes = seconds, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        time.sleep(self.seconds[torch.is_autocast_enabled("cpu")])
        return super().forward(images)


@pytest.mark.parametrize("slow", [False, True])
def test_a_clear_difference_is_told_after_two_rounds_and_its_direction_is_right(slow):
    layer = Slow({slow: 0.5, not slow: 0.0})
    assert (speedup(layer, torch.ones(1, 1, 2, 2)) < 1) == slow
    assert layer.passes == 2 * (1 + 2)  # one round prepares
