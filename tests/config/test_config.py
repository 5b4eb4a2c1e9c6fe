"""The config: strict, frozen, described, with torch's and torchvision's own names, and every problem at once."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest
import torch
import torchvision.transforms.v2
from config_cases import SMALL, small
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from mtl_accel.config import Config, validate
from mtl_accel.config.base import Section, WithArguments
from mtl_accel.config.knobs import all_knobs, sections_in
from mtl_accel.config.sections.optimization import Optimizer
from mtl_accel.config.sections.schedules import Scheduler
from mtl_accel.config.sections.torchvision_names import TorchvisionTransform
from mtl_accel.config.sections.transforms import PadToSquare, RequireSize, Transform
from mtl_accel.core.errors import UserError

CATEGORY = SMALL["tasks"]["category"]
TWO_LEFT_OVER = {name: {"kind": "multilabel"} for name in "ab"}


def problems(raw: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        validate(raw, "a.json")
    return caught.value.problems


def train(*transforms: dict[str, Any]) -> dict[str, Any]:
    return small(transforms={**SMALL["transforms"], "train": list(transforms)})


def evaluate(*transforms: dict[str, Any]) -> dict[str, Any]:
    return small(transforms={**SMALL["transforms"], "eval": list(transforms)})


def _sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {section for field in model.model_fields.values() for section in sections_in(field.annotation)}
    return {model}.union(*map(_sections, inner))


SECTIONS = sorted(_sections(Config), key=lambda section: section.__name__)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_frozen_strict_and_described(section: type[BaseModel]) -> None:
    assert issubclass(section, Section)
    assert section.model_config["frozen"]
    # Their keys are arguments of a library, which checks them.
    assert section.model_config["extra"] == ("allow" if issubclass(section, WithArguments) else "forbid")
    assert section.__doc__
    for key, field in section.model_fields.items():
        assert field.description or key in ("name", "kind"), f"{section.__name__}.{key} has no description"


def test_a_config_cannot_be_changed() -> None:
    config = validate(small(), "a.json")
    with pytest.raises(ValidationError):
        config.epochs = 3  # type: ignore[misc]


def test_every_knob_says_what_it_means() -> None:
    assert [knob.path for knob in all_knobs(Config) if not knob.meaning] == []


NAMED = [c for u in (Optimizer, Scheduler) for c in get_args(get_args(u)[0]) if not issubclass(c, WithArguments)]
OF_THE_RUN = ("T_max", "total_iters", "max_lr")  # null: all its epochs, the rate of its optimizer


@pytest.mark.parametrize("config", NAMED)
def test_optimizers_and_schedules_have_torchs_names_and_defaults(config: type[BaseModel]) -> None:
    torchs = getattr(torch.optim, config.__name__, None) or getattr(torch.optim.lr_scheduler, config.__name__)
    known = inspect.signature(torchs).parameters
    for key, field in config.model_fields.items():
        if key not in ("name", "every"):  # every: torch leaves it to the loop when a schedule steps
            assert key in known
            if not field.is_required() and not (key in OF_THE_RUN and field.default is None):
                assert field.default == known[key].default


NOT_IN_TORCHVISION = {TorchvisionTransform, PadToSquare, RequireSize}


@pytest.mark.parametrize("config", [c for c in get_args(get_args(Transform)[0]) if c not in NOT_IN_TORCHVISION])
def test_transforms_have_torchvisions_names_and_defaults(config: type[BaseModel]) -> None:
    known = inspect.signature(getattr(torchvision.transforms.v2, config.__name__)).parameters
    for key, field in config.model_fields.items():
        if key not in ("name", "batched"):  # batched: what carries it out, of which torchvision knows nothing
            assert key in known
            default = known[key].default
            if config.__name__ not in ("Normalize", "ColorJitter") and not field.is_required():
                assert field.default == getattr(default, "value", default)


NORMALIZE, RESIZE = {"name": "Normalize"}, {"name": "Resize", "size": [8, 8]}
KEEP, WITHIN = {"name": "Resize", "size": 8}, {"name": "Resize", "size": None, "max_size": 8}
CROP_FOUR, CROP_TWELVE = ({"name": "CenterCrop", "size": size} for size in ([4, 4], [9, 12]))
REFLECT, REQUIRED = {"name": "Pad", "padding": 8, "padding_mode": "reflect"}, {"name": "RequireSize", "size": [8, 8]}
TEN = {"name": "TenCrop", "size": [4, 4]}
ROTATION, CROP = {"name": "RandomRotation", "degrees": [-9, 9]}, {"name": "CenterCrop", "size": [9, 4]}


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (small(seed="3"), ["seed", "integer", 'got "3"']),
        (small(sync_batchnorm=1), ["sync_batchnorm", "got 1"]),
        (small(epochs=0), ["epochs", "greater than 0", "got 0"]),
        (small(epoch=3), ["epoch: ", "no such key", "got 3", "did you mean 'epochs'"]),
        (small(zzz=3), ["zzz", "no such key", "known here", "epochs"]),
        (small(optimizer=None), ["optimizer", "got null"]),
        (small(optimizer={"name": "Adam", "lr": "x" * 200}), ["optimizer.lr", "xxx..."]),
        (small(optimizer={"name": "Adam", "betas": [0.9]}), ["optimizer.betas"]),
        (small(scheduler={"name": "StepLR"}), ["scheduler.step_size", "missing"]),
        (small(ema_decay=1), ["ema_decay", "less than 1", "got 1"]),
        (small(model={"layer_lr_decay": 1.5}), ["model.layer_lr_decay", "less than or equal to 1", "got 1.5"]),
        (small(early_stopping={"patience": 0}), ["early_stopping.patience", "greater than 0", "got 0"]),
        (small(tasks={}), ["tasks", "at least 1"]),
        (small(tasks={"a b": SMALL["tasks"]["category"]}), ["tasks.a b", "pattern"]),
        (small(tasks={"c": {"kind": "multicalss", "column": "c"}}), ["tasks.c.kind", "did you mean 'multiclass'"]),
        (small(tasks={"c": {**CATEGORY, "loss": {"name": "bce"}}}), ["tasks.c.loss.name", "cross_entropy, focal"]),
        (
            small(tasks={"c": {**CATEGORY, "loss": {"name": "focal", "class_weights": "balance"}}}),
            ["tasks.c.loss.class_weights", '"balanced" or a list', 'got "balance"'],
        ),
        (
            small(tasks={"c": {**CATEGORY, "loss": {"name": "focal", "class_weights": [1, -1]}}}),
            ["tasks.c.loss.class_weights", "at least 0", "got [1, -1]"],
        ),
        (small(data={"sampler": {"name": "rare"}}), ["data.sampler.name", "'rare_labels'", 'got "rare"']),
        (small(data={"sampler": {"name": "rare_labels", "task": "t"}}), ["data.sampler.task: 't'", "none of category"]),
        (small(tasks={"c": {"kind": "multiclass", "colum": "c", "column": "c"}}), ["tasks.c.colum", "'column'"]),
        (train(RESIZE, {**ROTATION, "degrees": [9, -9]}, NORMALIZE), ["transforms.train.1.degrees", "[9, -9]"]),
        (train(RESIZE, {"name": "Rotate"}, NORMALIZE), ["transforms.train.1.name", "'Rotate'", "RandomRotation"]),
        (train(RESIZE, {"name": "Normalize", "std": [0, 1, 1]}), ["transforms.train.1.std.0", "got 0"]),
        (small(transforms={"train": [RESIZE, NORMALIZE], "eval": [RESIZE, ROTATION, NORMALIZE]}), ["eval.1.name"]),
    ],
)
def test_a_wrong_value_is_told_with_path_value_and_rule(raw: dict[str, Any], parts: list[str]) -> None:
    (message,) = problems(raw)
    assert [part for part in ("a.json: ", *parts) if part not in message] == []


STEPS = {"name": "MultiStepLR", "milestones": [3, 30]}


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (small(epochs=10, scheduler=STEPS), ["scheduler.milestones", "[30]", "last epoch, 10"]),
        (small(scheduler={**STEPS, "milestones": [3, 3]}), ["scheduler.milestones", "[3, 3]", "rise"]),
        (small(scheduler={"name": "OneCycleLR", "max_lr": 0.1}, warmup_epochs=1), ["warmup_epochs", "OneCycleLR"]),
        (small(epochs=2, warmup_epochs=3), ["warmup_epochs", "3", "2 epochs"]),
        (small(compile=True, model={"gradient_checkpointing": True}), ["compile: not with model.gradient_checkpoint"]),
        (small(epochs=2, model={"freeze_backbone_epochs": 2}), ["model.freeze_backbone_epochs", "2", "2 epochs"]),
        (small(optimizer={"name": "SGD", "nesterov": True}), ["optimizer.nesterov", "momentum"]),
        (train(RESIZE, CROP, NORMALIZE), ["transforms.train.1.size", "[9, 4]", "[8, 8]"]),
        (train(KEEP, NORMALIZE), ["transforms.train", "several sizes", "CenterCrop", "PadToSquare"]),
        (evaluate(KEEP, NORMALIZE), ["transforms.eval", "several sizes"]),
        (train(KEEP, CROP_TWELVE, NORMALIZE), ["transforms.train.1.size", "[9, 12]", "shorter side is 8"]),
        (train(WITHIN, CROP_TWELVE, NORMALIZE), ["transforms.train.1.size", "[9, 12]", "longer side is 8"]),
        (train({**KEEP, "max_size": 8}, CROP, NORMALIZE), ["transforms.train.0.max_size: 8", "greater than size, 8"]),
        (train({**RESIZE, "max_size": 9}, NORMALIZE), ["transforms.train.0.max_size", "[8, 8] says both sides"]),
        (train({**WITHIN, "max_size": None}, NORMALIZE), ["transforms.train.0.size", "null needs max_size"]),
        (train(RESIZE, REFLECT, NORMALIZE), ["transforms.train.1", "'reflect'", "at most 7 rows", "[8, 8]"]),
        (
            train(RESIZE, NORMALIZE, {**REFLECT, "padding": 1}),
            ["transforms.train.2", "Pad must stand before Normalize"],
        ),
        (train(RESIZE, {**REFLECT, "padding": 1, "fill": 0.5}, NORMALIZE), ["train.1.fill: 0.5", "0 to 255"]),
        (train(RESIZE, TEN, NORMALIZE), ["transforms.train.1", "TenCrop", "transforms.eval only"]),
        (evaluate(RESIZE, {**TEN, "size": [9, 4]}, NORMALIZE), ["transforms.eval.1.size", "[9, 4]", "[8, 8]"]),
        (evaluate(RESIZE, TEN, CROP_FOUR, NORMALIZE), ["transforms.eval.2", "CenterCrop must stand before TenCrop"]),
        (train(RESIZE, REQUIRED, NORMALIZE), ["transforms.train.1", "RequireSize must stand first"]),
        (train(RESIZE), ["transforms.train", "Normalize is missing"]),
        (train(RESIZE, ROTATION, RESIZE, NORMALIZE), ["transforms.train.2", "before every random"]),
        (train(RESIZE, NORMALIZE, ROTATION), ["transforms.train.2", "before Normalize"]),
        (train(RESIZE, {"name": "RandomErasing"}, NORMALIZE), ["transforms.train.1", "after Normalize"]),
        (small(select_by="category/acuracy"), ["select_by", "none of", "did you mean 'category/accuracy'"]),
        (small(batch_size=64, micro_batch_size=7), ["micro_batch_size", "7", "64", "4 and 8"]),
        (small(tasks=TWO_LEFT_OVER), ["tasks", "only one task"]),
        (small(tasks={"a": {**SMALL["tasks"]["category"], "classes": ["x", "x"]}}), ["tasks.a.classes", "'x'"]),
        (small(tasks={"a": {**SMALL["tasks"]["category"], "primary_metric": "f1"}}), ["tasks.a.primary_metric"]),
        (small(tasks={"a": {"kind": "multilabel", "column": "a", "columns": ["b"]}}), ["tasks.a", "not both"]),
        (small(tasks={"a": {"kind": "multilabel", "columns": ["b"], "classes": ["b"]}}), ["tasks.a.classes"]),
    ],
)
def test_keys_that_are_wrong_together_are_told(raw: dict[str, Any], parts: list[str]) -> None:
    (message,) = problems(raw)
    assert [part for part in ("a.json: ", *parts) if part not in message] == []


def test_wrong_keys_and_keys_that_are_wrong_together_are_told_at_once() -> None:
    raw = small(epochs=2, scheduler=STEPS, select_by="loos", optimizer={"name": "Adam", "lr": 0}, zzz=1)
    assert [message.split(":")[1].strip() for message in problems(raw)] == [
        "optimizer.lr",
        "zzz",
        "scheduler.milestones",
        "select_by",
    ]


def test_no_problem_is_made_up_for_keys_beside_a_wrong_one() -> None:
    # The milestones are right for the epochs that are meant, whatever these are.
    assert len(problems(small(epochs="50", scheduler=STEPS))) == 1
    assert len(problems(small(tasks={"season": {"kind": "multiclass"}}, select_by="season/accuracy"))) == 1


def test_a_task_may_have_the_name_of_a_kind_or_of_a_key() -> None:
    tasks = {name: {"kind": "multiclass", "column": "c", "weight": -1} for name in ("multiclass", "name", "kind")}
    found = problems(small(tasks=tasks))
    assert [message.split(":")[1].strip() for message in found] == [f"tasks.{name}.weight" for name in tasks]


def test_a_joined_table_is_a_name_or_a_section_with_lists() -> None:
    section = {"table": "splits.txt", "column_names": ["image", "split"]}
    found = validate(small(data={"source": "photos", "join": ["boxes.csv", section]}), "a.json").data.join
    assert [(join.table, join.column_names) for join in found] == [
        ("boxes.csv", None),
        ("splits.txt", ("image", "split")),
    ]


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200)
@given(key=st.sampled_from([*Config.model_fields, "zzz"]), value=any_json)
def test_no_value_ends_in_another_error(key: str, value: Any) -> None:
    try:
        validate(small(**{key: value}), "a.json")
    except UserError as error:
        assert all(problem.startswith("a.json: ") for problem in error.problems)
