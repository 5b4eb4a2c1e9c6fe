"""A refactor must give identical losses: the small run's losses, written down once.

PYTHONPATH=tests/processes python tests/test_golden.py writes tests/golden.json anew; do so only for a change that is
meant to move them.
"""

import json
import tempfile
from pathlib import Path

import pytest
import real_runs as runs

GOLDEN = Path(__file__).with_name("golden.json")


def losses(folder: Path) -> list[dict]:
    """Losses of each step and metrics of each epoch, of a run with masks, augmentation, BatchNorm and dropout."""
    source = runs.write_source(folder / "source", num_train=37, num_validation=13)
    config = runs.write_config(folder / "c.json", source, gradient_clip_norm=1.0, warmup_epochs=0.5)
    runs.run(config, TRACE="1")
    steps = [{key: step[key] for key in ("epoch", "step", "ids", "losses")} for step in runs.trace(config)]
    return [{"steps": steps, "epochs": runs.epochs(config)}]


def flat(value: object) -> list[float]:
    """Every number in a value, in order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    if isinstance(value, list):
        return [number for inner in value for number in flat(inner)]
    return [float(value)]


def test_the_golden_run_gives_the_losses_that_were_written_down(tmp_path):
    # Other processors sum in another order, so the last digits are left open; a changed rule moves far more.
    assert flat(losses(tmp_path)) == pytest.approx(flat(json.loads(GOLDEN.read_text())), rel=1e-4, abs=1e-5)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        GOLDEN.write_text(json.dumps(losses(Path(temporary))) + "\n")
