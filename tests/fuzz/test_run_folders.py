"""Files of run and model folders with any bytes in them are read, or refused by a UserError that names the file."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz_cases import HOSTILE_VALUES, cases, damaged
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from mtl_accel.config.sections.heads import QueryHead
from mtl_accel.config.sections.losses import BCE
from mtl_accel.config.sections.model import Architecture
from mtl_accel.config.sections.transforms import Normalize, Resize
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Scale, Task
from mtl_accel.models.weight_files import SUFFIXES
from mtl_accel.models.weights import load_backbone_file
from mtl_accel.runs import model_config, model_weights, rows
from mtl_accel.runs.model_folder import ModelDescription

TASKS = {
    "attribute": Task("attribute", "multilabel", ("big", "red"), ("big", "red"), "f1_macro", values={"x": 1}),
    "price": Task("price", "regression", ("price",), ("price",), "r2", scale=Scale((3.0,), (2.0,), True)),
}
TRANSFORMS = (Resize(name="Resize", size=(32, 32)), Normalize(name="Normalize"))
LOSSES = {"attribute": BCE(name="bce", pos_weight=(1.0, 2.0))}
THRESHOLDS = {"attribute": np.array([0.25, 0.5])}
HEADS = {"price": QueryHead(name="query")}
NETWORK = Architecture(backbone="resnet18", head="mlp", drop_path_rate=0.5, img_size=(32, 32), pretrained_cfg="a1_in1k")
DESCRIPTION = ModelDescription(NETWORK, TASKS, THRESHOLDS, TRANSFORMS, "no", 8, LOSSES, HEADS)
DESCRIBED = json.dumps(DESCRIPTION.describe()).encode()
METRICS = {"loss": 1.5, "attribute/f1_macro": 0.5}
LOG = [
    {"event": "epoch", "epoch": 1, "train": METRICS, "validation": METRICS, "lr": 0.1, "seconds": 1.0},
    {"event": "conflict", "epoch": 1, "step": 2, "pairs": [{"tasks": ["a", "b"], "cosine": 0.5, "norm_ratio": 2.0}]},
    {"event": "end", "fitted": {"attribute/f1_macro_cross_fitted": 0.5}},
]
STATE = torch.nn.Linear(2, 3).state_dict()


def test_the_files_that_are_changed_are_right_before(tmp_path):
    assert model_config.parse(DESCRIBED, "config.json").batch_size == 8
    assert len(rows.read_rows(written(tmp_path, "log.jsonl", lines(LOG)))) == 3


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def lines(log: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in log).encode()


@cases(150)
@given(damaged(DESCRIBED))
def test_any_description_of_a_model_is_read_or_refused(content):
    try:
        for name, task in model_config.parse(content, "config.json").tasks.items():
            assert task.to_task(name).num_outputs > 0
    except UserError as error:
        assert all(problem.startswith("config.json: ") for problem in error.problems)


@cases(100)
@given(row=st.integers(0, 2), key=st.sampled_from(sorted({key for row in LOG for key in row})), value=HOSTILE_VALUES)
def test_any_value_in_a_log_is_read_or_refused(tmp_path, row, key, value):
    changed = [{**old, key: value} if number == row else old for number, old in enumerate(LOG)]
    read_log(written(tmp_path, "log.jsonl", lines(changed)))


@cases(50)
@given(content=damaged(lines(LOG)))
def test_a_log_of_any_bytes_is_read_or_refused(tmp_path, content):
    read_log(written(tmp_path, "log.jsonl", content))


def read_log(path: Path) -> None:
    try:
        assert all(row.epoch >= 1 for row in rows.read_log(path).epochs)
    except UserError as error:
        assert all(str(path) in problem for problem in error.problems)


def pickled() -> bytes:
    stream = io.BytesIO()
    torch.save(STATE, stream)
    return stream.getvalue()


@cases(60)
@given(content=damaged(save(STATE)))
def test_a_header_of_any_bytes_is_read_or_refused(tmp_path, content):
    path = written(tmp_path, "model.safetensors", content)
    try:
        model_weights.read_header(path)
    except UserError as error:
        assert all(str(path) in problem for problem in error.problems)


@pytest.mark.filterwarnings("ignore")
@cases(100)
@given(content=st.one_of(damaged(save(STATE)), damaged(pickled())), suffix=st.sampled_from(SUFFIXES))
def test_weights_of_any_bytes_are_loaded_or_refused(tmp_path, content, suffix):
    path = written(tmp_path, f"weights{suffix}", content)
    try:
        load_backbone_file(torch.nn.Linear(2, 3), path)
    except UserError as error:
        assert all(str(path) in problem for problem in error.problems)
