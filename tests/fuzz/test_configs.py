"""Any config is read, or refused by a UserError that names the file."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from fuzz_cases import HOSTILE_TEXTS, HOSTILE_VALUES, cases, damaged
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel.config import Config, read_config, validate
from mtl_accel.core.errors import UserError
from mtl_accel.training.loaders import build_pipelines

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.json"))
RAW = [json.loads(path.read_text()) for path in CONFIGS if path.name != "schema.json"]
KNOBS = [
    *("data.delimiter", "data.encoding", "data.folds", "data.fold", "data.image_dirs", "data.max_images", "mixing"),
    *("early_stopping", "ema_decay", "warmup_epochs", "scheduler", "balancing", "micro_batch_size", "data.sampler"),
    *("tasks.more", "tasks.category.values", "tasks.category.classes", "tasks.attribute.loss", "conflict_every_steps"),
    *("data.wardrobe", "data.split_seed", "data.group_column", "gradient_clip_norm", "trackers", "model.backbone"),
    *("model.head", "model.img_size", "model.pretrained_cfg", "model.drop_path_rate", "tasks.category.head"),
    *("model.name", "tasks.attribute.lr_scale"),
]
BRANCHES = st.sampled_from(
    [
        {"name": "mixup", "alpha": 1e-30},
        [{"name": "cutmix", "alpha": 1e30}],
        {"name": "OneCycleLR", "max_lr": 1e30, "div_factor": 1e-30},
        {"name": "MultiStepLR", "milestones": [1, 1]},
        {"name": "cagrad"},
        {"name": "query", "width": 16384, "num_heads": 1024},
        {"name": "mlp", "hidden": 65536},
        {"backbone": "resnet18", "head": "query"},
        {"backbone": "timm/test_vit", "head": {"name": "mlp"}, "img_size": [1024, 1024]},
        {"kind": "multilabel", "columns": ["a", "a"], "loss": {"name": "bce", "pos_weight": [1e30]}},
        {"kind": "regression", "columns": ["a"], "log1p": True},
        {"name": "Pad", "padding": 10**9},
        {"name": "ElasticTransform", "sigma": 1e30},
        {"name": "RandomAffine", "degrees": 1e30, "scale": [1e-30, 1e30]},
        {"name": "GaussianBlur", "kernel_size": 10**6 + 1},
        {"name": "RandomResize", "min_size": 1, "max_size": 10**9},
    ]
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Every path into a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, entry in items for inner in places(entry, (*path, key)))]


@st.composite
def changed_configs(draw: st.DrawFn) -> dict[str, Any]:
    config = json.loads(json.dumps(draw(st.sampled_from(RAW))))
    for _ in range(draw(st.integers(1, 3))):
        known = [tuple(knob.split(".")) for knob in KNOBS]
        path = draw(st.sampled_from([*places(config)[1:], *known]))
        part = config
        for key in path[:-1]:
            inner = part.get(key) if isinstance(part, dict) else part[key] if key in range(len(part)) else None
            if not isinstance(inner, dict | list):
                break
            part = inner
        else:
            _change(draw, part, path[-1])
    return config


def _change(draw: st.DrawFn, part: Any, key: Any) -> None:
    """Set, remove or add an entry, at an index of a list that may be any."""
    kind = draw(st.sampled_from(["set", "set", "set", "remove", "add"]))
    value = copy.deepcopy(draw(st.one_of(HOSTILE_VALUES, BRANCHES)))  # a further change must not reach the strategy
    if isinstance(part, list):
        at = min(key if isinstance(key, int) else 0, len(part))
        part[at : at + (kind != "add")] = [] if kind == "remove" else [value]
    elif kind == "remove":
        part.pop(key, None)
    else:
        part[draw(HOSTILE_TEXTS) if kind == "add" else key] = value


@cases(300)
@given(changed_configs())
def test_a_changed_config_is_read_or_refused_and_its_transforms_are_built_or_refused(raw):
    try:
        config = validate(raw, "c.json")
        assert validate(json.loads(config.model_dump_json(by_alias=True)), "again") == config
        build_pipelines(config)
    except UserError as error:
        assert error.problems and all(error.problems)


@pytest.mark.filterwarnings("ignore")
@cases(150)
@given(content=st.sampled_from([path.read_bytes() for path in CONFIGS]).flatmap(damaged))
def test_a_file_of_any_bytes_is_read_or_refused_by_its_name(tmp_path, content):
    path = tmp_path / "c.json"
    path.write_bytes(content)
    try:
        assert isinstance(read_config(path), Config)
    except UserError as error:
        assert all(str(path) in problem for problem in error.problems)
