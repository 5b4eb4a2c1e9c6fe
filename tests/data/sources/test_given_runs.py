"""A run on a frame that a caller gives: it resumes, is evaluated and predicts, and knows other data."""

from __future__ import annotations

import pandas as pd
import pytest
import real_runs as runs
from broken_cases import config_of
from loading_cases import png

from mtl_accel.core.errors import UserError
from mtl_accel.evaluation.evaluate import evaluate
from mtl_accel.inference.predict import predict
from mtl_accel.training.train import train


@pytest.mark.slow
def test_two_processes_that_are_given_a_frame_reach_the_weights_of_one(tmp_path):
    frame = pd.DataFrame({"photo": [png(row) for row in range(24)], "category": [*"xyz"] * 8})
    frame.to_parquet(tmp_path / "frame.parquet")
    weights = set()
    for processes in (1, 2):
        data = {"cache_dir": str(tmp_path / f"{processes}" / "cache"), "num_workers": 0}
        tasks = {"category": {"kind": "multiclass", "column": "category"}}
        config = runs.write_config(tmp_path / f"{processes}" / "config.json", tmp_path, data=data, tasks=tasks)
        runs.run(config, processes=processes, GIVEN=str(tmp_path / "frame.parquet"))
        weights.add(runs.digest(config))
    assert len(weights) == 1


def test_a_run_on_a_frame_resumes_is_evaluated_and_predicts(not_launched, tmp_path):
    frame = pd.DataFrame({"photo": [png(row) for row in range(24)], "category": [*"xyz"] * 8})
    config = config_of(tmp_path, num_workers=0)
    run = train(config, data=frame).run_dir
    longer = config.model_copy(update={"epochs": 2, "run_dir": str(tmp_path / "longer")})
    text = (train(longer, data=frame, resume=str(run), allow_changes=True).run_dir / "log.txt").read_text()
    assert [line for line in text.splitlines() if "and was" in line] == [
        f"epochs: is 2, and was 1 in {(run / 'checkpoints' / 'last').resolve()}"
    ]
    other = frame.assign(category=[*"zyx"] * 8)
    with pytest.raises(UserError, match="images or labels are not those"):
        train(config.model_copy(update={"run_dir": str(tmp_path / "other")}), data=other, resume=str(run))
    held_out = evaluate(run)  # nobody gives the data, which the cache holds
    whole = evaluate(run, data=frame, output=tmp_path / "whole")
    assert (held_out["images"], whole["images"]) == (3, 24)
    predict(run, tmp_path / "predicted", data=frame[["photo"]].head(5))
    assert len(pd.read_parquet(tmp_path / "predicted" / "predictions.parquet")) == 5
