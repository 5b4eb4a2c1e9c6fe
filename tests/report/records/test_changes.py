"""What is different between two runs is said in words, whatever knob it is."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import report_folders

from mtl_accel.config import Config, validate
from mtl_accel.report.records.changes import changes, environment_changes, in_short, manner_changes, manners, names
from mtl_accel.report.records.rows import Environment

V1 = report_folders.config("v1")
RESIZE, NORMALIZE = {"name": "Resize", "size": [64, 64]}, {"name": "Normalize"}


def changed(**knobs: Any) -> list[str]:
    return changes(V1, report_folders.config("v1", **knobs))


def test_the_five_versions_differ_as_their_author_says() -> None:
    versions = [report_folders.config(f"v{number}") for number in range(1, 6)]
    said = [changes(before, after) for before, after in itertools.pairwise(versions)]
    jitter = "ColorJitter(brightness 0.2, contrast 0.2, saturation 0.1, hue 0.1)"
    assert said[0] == ["scheduler none -> StepLR (step_size 5)"]
    assert said[1] == [
        "epochs 20 -> 10",
        f"transforms.train: + {jitter}",
        "optimizer Adam -> SGD (momentum 0.9)",
        "scheduler StepLR (step_size 5) -> MultiStepLR (milestones [5, 10])",
    ]
    assert said[2] == [
        "epochs 10 -> 20",
        "model resnet18_relu_linear -> vgg16_relu_linear",
        f"transforms.train: - {jitter}",
        "optimizer SGD (lr 0.001, momentum 0.9) -> Adam (lr 0.0001)",
        "scheduler MultiStepLR (milestones [5, 10]) -> none",
    ]
    assert said[3] == [
        f"transforms.train: + {jitter}",
        "optimizer Adam (weight_decay 0) -> AdamW (weight_decay 0.04)",
        "scheduler none -> StepLR (step_size 5)",
    ]
    assert changes(versions[0], versions[2])[-1] == "scheduler none -> MultiStepLR (milestones [5, 10])"


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"optimizer.lr": 3e-4}, "learning rate 0.001 -> 0.0003"),
        ({"optimizer.amsgrad": True}, "optimizer amsgrad off -> on"),
        ({"mixed_precision": "bf16"}, "precision automatic -> bf16"),
        ({"gradient_clip_norm": 1.0}, "gradient clipping none -> 1"),
        ({"model.weights": None}, "weights IMAGENET1K_V1 -> none"),
        ({"data.source": "my_photos"}, "data wardrobe -> my_photos"),
        ({"tasks.attribute.weight": 6.0}, "task attribute: weight 1 -> 6"),
        ({"select_by": "loss"}, "best epoch by mean -> loss"),
        ({"data.wardrobe.num_train": 10}, "data wardrobe num_train 4000 -> 10"),
    ],
)
def test_a_changed_knob_is_one_phrase(knobs: dict[str, Any], words: str) -> None:
    assert changed(**{key.replace(".", "__"): value for key, value in knobs.items()}) == [words]


def test_tasks_come_and_go_and_change_their_kind() -> None:
    tasks = {"category": {"kind": "regression", "columns": ["price"]}, "zip": {"kind": "multilabel"}}
    assert changed(tasks=tasks) == [
        "+ task zip (multilabel)",
        "- task attribute (multilabel)",
        "task category: kind multiclass -> regression",
    ]


def test_a_list_of_names_says_which_are_new() -> None:
    before = report_folders.config("v1", tasks__attribute__columns=["zip", "collar"])
    after = report_folders.config("v1", tasks__attribute__columns=["collar", "hood"])
    assert changes(before, after) == ["task attribute: columns: + hood; - zip"]
    turned = report_folders.config("v1", tasks__attribute__columns=["collar", "zip"])
    assert changes(before, turned) == ["task attribute: columns: in another order"]


FLIP, GREY, BLUR = (
    {"name": "RandomHorizontalFlip"},
    {"name": "RandomGrayscale"},
    {"name": "GaussianBlur", "kernel_size": 3},
)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([], [{"name": "RandomPerspective", "p": 0.1}], "+ RandomPerspective(p 0.1)"),
        ([FLIP], [], "- RandomHorizontalFlip"),
        ([FLIP], [{**FLIP, "p": 0.25}], "RandomHorizontalFlip p 0.5 -> 0.25"),
        ([BLUR], [{**BLUR, "kernel_size": 5}], "GaussianBlur kernel_size 3 -> 5"),
        ([GREY, FLIP], [FLIP, GREY], "RandomHorizontalFlip at another place"),
        ([FLIP], [GREY], "+ RandomGrayscale; - RandomHorizontalFlip"),
    ],
)
def test_transforms_are_compared_in_their_order(before: list[Any], after: list[Any], words: str) -> None:
    first, second = (report_folders.config("v1", transforms__train=[RESIZE, *t, NORMALIZE]) for t in (before, after))
    assert changes(first, second) == [f"transforms.train: {words}"]


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
    "trackers": ["wandb"],
}


@pytest.mark.parametrize(
    "key", [key for key in Config.model_fields if key not in (*names(), "schema_") and key != "balancing"]
)
def test_no_knob_changes_without_a_word(key: str) -> None:
    raw = json.loads(V1.model_dump_json(by_alias=True))
    other = validate({**raw, key: OTHERS[key]}, "other")
    said = manner_changes if key in manners() else changes
    assert said(V1, other) and said(other, V1)
    assert changes(other, other) == manner_changes(other, other) == []


def test_how_a_run_is_carried_out_is_told_apart_from_what_it_computes() -> None:
    other = report_folders.config("v1", data__num_workers=4, trackers=["wandb"], keep_last=1)
    assert changes(V1, other) == []
    assert manner_changes(V1, other) == ["data num_workers 2 -> 4", "checkpoints kept 2 -> 1", "trackers: + wandb"]


def test_the_size_of_the_wardrobe_is_compared_only_where_both_use_it() -> None:
    sizes = {"data__source": "photos", "data__wardrobe__num_train": 10}
    assert changes(report_folders.config("v1", data__source="photos"), report_folders.config("v1", **sizes)) == []
    assert changed(**sizes) == ["data wardrobe -> photos"]
    assert changed(data__wardrobe__num_train=10) == ["data wardrobe num_train 4000 -> 10"]


def test_names_are_no_difference() -> None:
    assert changed(run_dir="elsewhere", description="the same") == []


def test_a_run_alone_says_what_it_is() -> None:
    words = in_short(report_folders.config("v5"))
    assert words[:3] == [
        "model vgg16_relu_linear, weights IMAGENET1K_V1",
        "optimizer AdamW (lr 0.0001, weight_decay 0.04)",
        "scheduler StepLR (step_size 5)",
    ]


def test_what_two_runs_ran_on_is_compared_as_far_as_both_say_it() -> None:
    one = Environment(device="cpu", processes=1, packages={"torch": "2.10", "numpy": "2.1"})
    other = Environment(device="NVIDIA H100", processes=1, packages={"torch": "2.11"})
    assert environment_changes(one, other) == ["device cpu -> NVIDIA H100", "torch 2.10 -> 2.11"]
    assert environment_changes(one, Environment()) == []
