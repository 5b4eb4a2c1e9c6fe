"""What is different between two runs is shown knob by knob, whatever knob it is."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import report_folders

from mtl_accel.config import Config, validate
from mtl_accel.config.base import NAME, PLACE, RECORD, SPEED
from mtl_accel.config.differences import knobs_that_affect
from mtl_accel.report.records.changes import config_changes, environment_changes, main_knobs, manner_changes
from mtl_accel.runs.rows import Environment

V1 = report_folders.config("v1")
RESIZE, NORMALIZE = {"name": "Resize", "size": [64, 64]}, {"name": "Normalize"}


def changed(**knobs: Any) -> list[str]:
    return config_changes(V1, report_folders.config("v1", **knobs))


def test_the_five_versions_differ_as_their_author_says() -> None:
    versions = [report_folders.config(f"v{number}") for number in range(1, 6)]
    found = [config_changes(before, after) for before, after in itertools.pairwise(versions)]
    jitter = "ColorJitter(brightness=0.2, contrast=0.2, saturation=0.1, hue=0.1)"
    assert found[0] == ["scheduler.name: none → StepLR", "scheduler.step_size: none → 5"]
    assert found[1] == [
        "epochs: 20 → 10",
        f"transforms.train: + {jitter}",
        "optimizer.name: Adam → SGD",
        "optimizer.momentum: none → 0.9",
        "scheduler.name: StepLR → MultiStepLR",
        "scheduler.step_size: 5 → none",
        "scheduler.milestones: none → [5, 10]",
    ]
    assert found[2] == [
        "epochs: 10 → 20",
        "model.name: resnet18_relu_linear → vgg16_relu_linear",
        f"transforms.train: - {jitter}",
        "optimizer.name: SGD → Adam",
        "optimizer.lr: 0.001 → 0.0001",
        "optimizer.momentum: 0.9 → none",
        "scheduler.name: MultiStepLR → none",
        "scheduler.milestones: [5, 10] → none",
    ]
    assert found[3] == [
        f"transforms.train: + {jitter}",
        "optimizer.name: Adam → AdamW",
        "optimizer.weight_decay: 0.0 → 0.04",
        "scheduler.name: none → StepLR",
        "scheduler.step_size: none → 5",
    ]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"optimizer.lr": 3e-4}, "optimizer.lr: 0.001 → 0.0003"),
        ({"optimizer.amsgrad": True}, "optimizer.amsgrad: false → true"),
        ({"mixed_precision": "bf16"}, "mixed_precision: none → bf16"),
        ({"gradient_clip_norm": 1.0}, "gradient_clip_norm: none → 1.0"),
        ({"model.weights": None}, "model.weights: IMAGENET1K_V1 → none"),
        ({"data.source": "my_photos"}, "data.source: wardrobe → my_photos"),
        ({"tasks.attribute.weight": 6.0}, "tasks.attribute.weight: 1.0 → 6.0"),
        ({"select_by": "loss"}, "select_by: mean → loss"),
        ({"data.wardrobe.num_train": 10}, "data.wardrobe.num_train: 4000 → 10"),
    ],
)
def test_a_changed_knob_is_one_line(knobs: dict[str, Any], words: str) -> None:
    assert changed(**{key.replace(".", "__"): value for key, value in knobs.items()}) == [words]


def test_tasks_come_and_go_and_change_their_kind() -> None:
    tasks = {"category": {"kind": "regression", "columns": ["price"]}, "zip": {"kind": "multilabel"}}
    lines = changed(tasks=tasks)
    for line in (
        "tasks.category.kind: multiclass → regression",
        "tasks.category.column: category → none",
        "tasks.category.columns: none → price",
        "tasks.attribute.kind: multilabel → none",
        "tasks.zip.kind: none → multilabel",
    ):
        assert line in lines
    assert not [line for line in lines if "threshold" in line or "weight" in line]  # what stands at its default


def test_a_list_of_names_says_which_are_new() -> None:
    before = report_folders.config("v1", tasks__attribute__columns=["zip", "collar"])
    after = report_folders.config("v1", tasks__attribute__columns=["collar", "hood"])
    assert config_changes(before, after) == ["tasks.attribute.columns: + hood", "tasks.attribute.columns: - zip"]
    turned = report_folders.config("v1", tasks__attribute__columns=["collar", "zip"])
    assert config_changes(before, turned) == ["tasks.attribute.columns: zip, collar → collar, zip"]


FLIP, GREY = {"name": "RandomHorizontalFlip"}, {"name": "RandomGrayscale"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([], [{"name": "RandomGrayscale", "p": 0.2}], ["+ RandomGrayscale(p=0.2)"]),
        ([FLIP], [], ["- RandomHorizontalFlip(p=0.5)"]),
        ([FLIP], [{**FLIP, "p": 0.25}], ["+ RandomHorizontalFlip(p=0.25)", "- RandomHorizontalFlip(p=0.5)"]),
        ([FLIP], [GREY, FLIP], ["+ RandomGrayscale(p=0.1)"]),
        ([FLIP], [GREY], ["+ RandomGrayscale(p=0.1)", "- RandomHorizontalFlip(p=0.5)"]),
    ],
)
def test_a_transform_that_is_inserted_or_gone_is_named(before: list[Any], after: list[Any], words: list[str]) -> None:
    first, second = (report_folders.config("v1", transforms__train=[RESIZE, *t, NORMALIZE]) for t in (before, after))
    assert config_changes(first, second) == [f"transforms.train: {phrase}" for phrase in words]


@pytest.mark.parametrize(("before", "after"), [([GREY, FLIP], [FLIP, GREY]), ([FLIP, GREY, FLIP], [GREY, FLIP])])
def test_transforms_in_another_order_are_listed_whole(before: list[Any], after: list[Any]) -> None:
    first, second = (report_folders.config("v1", transforms__train=[RESIZE, *t, NORMALIZE]) for t in (before, after))
    (line,) = config_changes(first, second)
    old, new = (re.findall(r"Random\w+", part) for part in line.split(" → "))
    assert (old, new) == ([t["name"] for t in before], [t["name"] for t in after])


# A second value of each knob at the top of a config.
OTHERS: dict[str, Any] = {
    "seed": 1,
    "epochs": 21,
    "batch_size": 32,
    "micro_batch_size": 16,
    "mixed_precision": "no",
    "compile": True,
    "cpu_threads": 2,
    "data": {"source": "elsewhere"},
    "tasks": {"category": {"kind": "multiclass", "column": "other"}},
    "model": {"name": "resnet18_linear"},
    "transforms": {"train": [RESIZE, NORMALIZE], "eval": [RESIZE, NORMALIZE]},
    "mixing": [{"name": "mixup"}],
    "optimizer": {"name": "SGD"},
    "scheduler": {"name": "StepLR", "step_size": 3},
    "warmup_epochs": 1.0,
    "gradient_clip_norm": 2.0,
    "conflict_every_steps": 5,
    "no_decay_on_norms_and_biases": True,
    "ema_decay": 0.999,
    "early_stopping": {"patience": 3},
    "sync_batchnorm": True,
    "select_by": "loss",
    "checkpoint_every_steps": 5,
    "checkpoint_every_minutes": 5.0,
    "keep_last": 3,
    "log_every_steps": 5,
    "log_every_seconds": 5.0,
    "trackers": ["wandb"],
}


@pytest.mark.parametrize(
    "key",
    [key for key in Config.model_fields if key not in (*knobs_that_affect(NAME), "schema_") and key != "balancing"],
)
def test_no_knob_changes_unseen(key: str) -> None:
    raw = json.loads(V1.model_dump_json(by_alias=True))
    other = validate({**raw, key: OTHERS[key]}, "other")
    found = manner_changes if key in knobs_that_affect(PLACE, SPEED, RECORD) else config_changes
    assert found(V1, other) and found(other, V1)
    assert config_changes(other, other) == manner_changes(other, other) == []


def test_how_a_run_is_carried_out_is_listed_apart_from_what_it_computes() -> None:
    other = report_folders.config("v1", data__num_workers=4, trackers=["wandb"], keep_last=1)
    assert config_changes(V1, other) == []
    assert manner_changes(V1, other) == [
        "data.num_workers: 2 → 4",
        "keep_last: 2 → 1",
        "trackers: + wandb",
    ]


def test_the_size_of_the_wardrobe_is_compared_only_where_both_use_it() -> None:
    sizes = {"data__source": "photos", "data__wardrobe__num_train": 10}
    assert (
        config_changes(report_folders.config("v1", data__source="photos"), report_folders.config("v1", **sizes)) == []
    )
    assert changed(**sizes) == ["data.source: wardrobe → photos"]
    assert changed(data__wardrobe__num_train=10) == ["data.wardrobe.num_train: 4000 → 10"]


def test_names_are_no_difference() -> None:
    assert changed(run_dir="elsewhere", description="the same") == []


def test_a_run_alone_says_what_it_is() -> None:
    lines = main_knobs(report_folders.config("v5"))
    assert lines[:6] == [
        "model.name: vgg16_relu_linear",
        "model.weights: IMAGENET1K_V1",
        "optimizer.name: AdamW",
        "optimizer.lr: 0.0001",
        "optimizer.weight_decay: 0.04",
        "scheduler.name: StepLR",
    ]


def test_what_two_runs_ran_on_is_compared_as_far_as_both_say_it() -> None:
    one = Environment(device="cpu", processes=1, packages={"torch": "2.10", "numpy": "2.1"})
    other = Environment(device="NVIDIA H100", processes=1, packages={"torch": "2.11"})
    assert environment_changes(one, other) == ["device: cpu → NVIDIA H100", "packages.torch: 2.10 → 2.11"]
    assert environment_changes(one, Environment()) == []
