"""A config from a dictionary or a file, in Python: the errors are those of the command line."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from config_cases import small

import mtl_accel
from mtl_accel import Config, UserError
from mtl_accel.config import validate


def problems(values: dict, overrides: dict | None = None) -> list[str]:
    with pytest.raises(UserError) as caught:
        Config.from_dict(values, overrides)
    return caught.value.problems


def test_a_dictionary_is_read_as_the_file_of_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(small()))
    assert Config.from_dict(small()) == Config.from_file(path) == mtl_accel.read_config(path) == validate(small(), "c")


def test_overrides_by_dotted_paths_leave_the_dictionary_as_it_is(tmp_path: Path) -> None:
    values = small()
    before = copy.deepcopy(values)
    found = Config.from_dict(values, {"optimizer.lr": 0.5, "data.max_images": 7})
    assert (found.optimizer.lr, found.data.max_images) == (0.5, 7) and values == before
    path = tmp_path / "c.json"
    path.write_text(json.dumps(values))
    assert Config.from_file(path, {"optimizer.lr": 0.5, "data.max_images": 7}) == found


def test_every_problem_of_a_dictionary_is_told_at_once_with_its_path() -> None:
    found = problems(small(epochs=0, zzz=1), {"optimizer.lr": -1})
    assert [problem.split(" ")[:2] for problem in found] == [
        ["the", "dictionary:"],
        ["--optimizer.lr:", "must"],
        ["the", "dictionary:"],
    ]
    assert "epochs" in found[0] and "greater than 0" in found[0] and "zzz: no such key" in found[2]


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("epochs", np.int64(3), "numpy.int64"),
        ("run_dir", Path("runs"), "pathlib"),
        ("trackers", {"wandb"}, "set"),
        ("optimizer", {"name": "SGD", "lr": np.float32(0.1)}, "numpy.float32"),
    ],
)
def test_a_value_that_no_json_holds_is_told_with_its_path_and_type(key: str, value: object, kind: str) -> None:
    (problem,) = problems(small(**{key: value}))
    assert f"{key}" in problem and "must be text, a number" in problem and kind in problem


def test_tuples_are_lists() -> None:
    assert Config.from_dict(small(optimizer={"name": "Adam", "betas": (0.8, 0.9)})).optimizer.betas == (0.8, 0.9)
