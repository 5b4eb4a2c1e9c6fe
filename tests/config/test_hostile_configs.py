"""Configs with values that no computation and no file system can take: refused by their path."""

import json

import pytest
from config_cases import small

from mtl_accel.config import read_config, validate
from mtl_accel.core.errors import UserError


def refused(**changes) -> str:
    with pytest.raises(UserError) as caught:
        validate(small(**changes), "c.json")
    return "\n".join(caught.value.problems)


ROTATION = {"name": "RandomRotation", "degrees": [-1e308, 1e308]}
TRANSFORMS = small()["transforms"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_dir": "a\0b"}, "c.json: run_dir: must hold no NUL character"),
        ({"data": {"source": "a\0"}}, "c.json: data.source: must hold no NUL character"),
        ({"data": {"image_dirs": ["x", "a\0"]}}, "c.json: data.image_dirs: must hold no NUL character"),
        ({"run_dir": "\ud800"}, r'c.json: run_dir: must be Unicode text (got "\ud800")'),
        ({"batch_size": 10**9}, "c.json: batch_size: must be less than or equal to 1000000"),
        ({"cpu_threads": 100_000}, "c.json: cpu_threads: must be less than or equal to 1024"),
        ({"data": {"num_workers": 100_000}}, "c.json: data.num_workers: must be less than or equal to 1024"),
        ({"data": {"wardrobe": {"num_train": 10**12}}}, "data.wardrobe.num_train: must be less than or equal to 100"),
        ({"epochs": 10**21}, "c.json: epochs: must "),
        ({"keep_last": 10**21}, "c.json: keep_last: must lie within"),
        ({"optimizer": {"name": "Adam", "lr": 1e308}}, "c.json: optimizer.lr: must lie within -1e+30 and 1e+30"),
        ({"transforms": {**TRANSFORMS, "train": [TRANSFORMS["train"][0], ROTATION]}}, "degrees.0: must be greater"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_path(changes, message):
    assert message in refused(**changes)


def test_a_config_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "c.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(small()).encode())
    assert read_config(path) == validate(small(), "c.json")


def test_a_path_with_a_nul_character_is_refused():
    with pytest.raises(UserError, match="cannot be read"):
        read_config("a\0.json")
