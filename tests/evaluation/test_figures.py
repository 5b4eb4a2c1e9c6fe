"""Intervals come of whole metrics of rows drawn anew, and calibration and curves say what scikit-learn says."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score

from mtl_accel import metrics
from mtl_accel.config.sections.losses import BCE, MSE, CrossEntropy, CumulativeLink
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.reader import Targets
from mtl_accel.evaluation import bootstrap, figures, weighted
from mtl_accel.evaluation.decisions import CROSS_FITTED, HALF, LARGEST, MEDIAN, STORED
from mtl_accel.evaluation.task_predictions import TaskPredictions, collect_task_predictions
from mtl_accel.inference.logits import split_logits
from mtl_accel.inference.scoring import score
from mtl_accel.objective.losses import build_losses

LABELS, CLASSES, COLUMNS = ("a", "b"), ("x", "y", "z"), ("price", "weight")
TASKS = {
    "category": Task("category", "multiclass", ("category",), CLASSES, "accuracy"),
    "attribute": Task("attribute", "multilabel", LABELS, LABELS, "f1_macro", weight=2.0),
    "number": Task("number", "regression", COLUMNS, COLUMNS, "mae"),
    "size": Task("size", "ordinal", ("size",), CLASSES, "quadratic_kappa", link="cumulative"),
}
ELEMENT_LOSSES = build_losses(
    {
        "category": CrossEntropy(name="cross_entropy"),
        "attribute": BCE(name="bce"),
        "number": MSE(name="mse"),
        "size": CumulativeLink(name="cumulative_link"),
    },
    TASKS,
)
THRESHOLDS = {"attribute": np.array([0.3, 0.6])}
# Few distinct values make ties; the last one is a regression's constant column.
LOGIT = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0])


@st.composite
def splits(draw: st.DrawFn) -> tuple[torch.Tensor, dict[str, Targets]]:
    """Logits and targets of 1 to 10 rows, any of them unlabelled."""
    size = draw(st.integers(1, 10))
    logits = draw(arrays.arrays(np.float32, (size, 9), elements=LOGIT))
    category = draw(arrays.arrays(np.int64, size, elements=st.integers(0, 2)))
    attribute = draw(arrays.arrays(np.float32, (size, 2), elements=st.sampled_from([0.0, 1.0])))
    number = draw(arrays.arrays(np.float32, (size, 2), elements=st.sampled_from([0.0, 1.0, 2.5])))
    ordered = draw(arrays.arrays(np.int64, size, elements=st.integers(0, 2)))
    drawn = (category, attribute, number, ordered)
    masks = [draw(arrays.arrays(np.bool_, array.shape)) for array in drawn]
    targets = [np.where(m, t, 0).astype(t.dtype) for t, m in zip(drawn, masks, strict=True)]
    return torch.from_numpy(logits), dict(zip(TASKS, map(Targets, targets, masks), strict=True))


def scored(logits: torch.Tensor, targets: dict[str, Targets], seed: int | None = None) -> list[TaskPredictions]:
    return collect_task_predictions(logits, TASKS, targets, ELEMENT_LOSSES, THRESHOLDS, seed)


def of_rows(logits: torch.Tensor, targets: dict[str, Targets]) -> dict[str, np.ndarray]:
    """By the metrics of training, everything that `weighted.measure_weighted` gives of some rows."""
    values: dict[str, np.ndarray] = {k: np.array(v) for k, v in score(logits, TASKS, ELEMENT_LOSSES, targets).items()}
    del values["loss"]
    for name, part in split_logits(logits.double(), TASKS).items():
        task, (target, mask) = TASKS[name], targets[name]
        probabilities = task.probabilities(part.numpy())
        decisions = {
            "multiclass": {LARGEST: 0.5},
            "ordinal": {MEDIAN: 0.5},
            "multilabel": {HALF: 0.5, STORED: THRESHOLDS.get(name)},
        }
        for decision, threshold in decisions.get(task.kind, {}).items():
            table = metrics.per_label(task.kind, probabilities, target, mask, task.classes, threshold)
            for column in ("precision", "recall", "f1"):
                values[f"{name}/{decision}/{column}"] = np.array([row[column] for row in table])
            if decision == STORED:
                for metric, value in metrics.compute(task.kind, probabilities, target, mask, threshold).items():
                    if metric.startswith("f1_"):
                        values[f"{name}/{metric}_{STORED}"] = np.array(value)
        if task.kind != "regression":
            truth = target[:, None] == np.arange(3) if target.ndim == 1 else target == 1
            values[f"{name}/average_precision"] = _average_precision(probabilities, truth, mask.reshape(len(mask), -1))
        else:
            columns = [
                metrics.compute(task.kind, probabilities[:, [c]], target[:, [c]], mask[:, [c]]) for c in range(2)
            ]
            for metric in columns[0]:
                values[f"{name}/column/{metric}"] = np.array([column[metric] for column in columns])
    return values


def _average_precision(probabilities: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    columns = zip(probabilities.T, truth.T, np.broadcast_to(mask, truth.shape).T, strict=True)
    return np.array([average_precision_score(t[m], p[m]) if t[m].any() else np.nan for p, t, m in columns])


@settings(max_examples=30)  # evaluate's metrics write files
@given(splits(), st.data())
def test_a_weighted_metric_is_that_of_rows_that_stand_as_often_as_they_weigh(split, data):
    logits, targets = split
    drawn = data.draw(st.lists(st.integers(0, len(logits) - 1), min_size=1, max_size=12))
    again = {name: Targets(t.target[drawn], t.mask[drawn]) for name, t in targets.items()}
    expected = of_rows(logits[drawn], again)
    weights = np.bincount(drawn, minlength=len(logits)).astype(float)
    found: dict[str, np.ndarray] = {}
    for task in scored(logits, targets):
        found |= weighted.measure_weighted(task, np.stack([np.ones(len(logits)), weights]))
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values[1] == pytest.approx(expected[name], abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("size", [1, 7, 400])
def test_every_resample_has_as_many_rows_as_the_split(size):
    drawn = np.concatenate(list(bootstrap.resample_weights(size, seed=3)))
    assert drawn.shape == (1000, size)
    assert (drawn.sum(axis=1) == size).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(size), abs=0.2)


def test_a_resample_is_a_function_of_seed_and_number_and_not_of_how_many_are_drawn_at_once(monkeypatch):
    whole = np.concatenate(list(bootstrap.resample_weights(30, seed=0)))
    monkeypatch.setattr(bootstrap, "_MAX_CELLS", 70)
    assert np.array_equal(whole, np.concatenate(list(bootstrap.resample_weights(30, seed=0))))
    assert not np.array_equal(whole, np.concatenate(list(bootstrap.resample_weights(30, seed=1))))


def test_the_interval_of_a_share_is_the_one_of_theory():
    right = (np.arange(400) < 300).astype(float)
    lower, upper = bootstrap.intervals(lambda w: {"share": w @ right / 400}, 400, seed=0)["share"]
    width = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (lower, upper) == pytest.approx((0.75 - width, 0.75 + width), abs=0.006)


def test_a_value_that_no_resample_has_gets_no_interval():
    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        never = np.full(len(weights), np.nan)
        return {"some": np.stack([weights[:, 0], never], axis=1), "none": never}

    ends = bootstrap.intervals(measure, 5, seed=0)
    assert np.isfinite(ends["some"][0]).all() and np.isnan(ends["some"][1]).all()
    assert ends["none"].shape == (2,) and np.isnan(ends["none"]).all()


def one(kind: str, scores: list, target: list, mask: list | None = None) -> TaskPredictions:
    task = TASKS["category" if kind == "multiclass" else "attribute"]
    truth, known = np.array(target), np.array(mask) if mask is not None else np.ones(np.shape(target), bool)
    rows = np.zeros(len(truth))
    return TaskPredictions(task, np.array(scores), truth, known, rows, rows, {HALF: np.array(0.5)})


def test_the_calibration_error_is_the_mean_gap_between_confidence_and_truth():
    scores, target = [[0.95, 0.35], [0.95, 0.35], [0.95, 0.35], [0.95, 1.0]], [[1, 0], [1, 0], [1, 1], [0, 1]]
    found = figures.reliability(one("multilabel", scores, target))
    # Of four at 0.95 three are true, of three at 0.35 one, and the one at 1.0 is.
    gaps = [4 * abs(0.75 - 0.95), 3 * abs(1 / 3 - 0.35), 0]
    # 0.95 and 1.0 lie in the last of 15 bins together.
    together = 5 * abs(4 / 5 - (4 * 0.95 + 1) / 5)
    assert found["expected_calibration_error"] == pytest.approx((together + gaps[1]) / 8)
    assert [(b["from"], b["count"]) for b in found["bins"] if b["count"]] == [(5 / 15, 3), (14 / 15, 5)]
    assert "labelled image and label" in found["definition"]


def test_a_class_is_as_confident_as_its_largest_probability_and_what_is_masked_does_not_count():
    scores, target = [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [1.0, 0.0, 0.0]], [0, 0, 1]
    found = figures.reliability(one("multiclass", scores, target, [True, True, False]))
    assert found["expected_calibration_error"] == pytest.approx((abs(1 - 0.8) + abs(0 - 0.7)) / 2)


def sections(size: int, seed: int | None = None) -> dict[str, dict]:
    """The section of each task, of random scores."""
    random = np.random.default_rng(0)
    target = random.random((size, 2)) < [0.3, 0.5]
    logits = np.concatenate([random.normal(size=(size, 3)), random.normal(target), np.zeros((size, 4))], axis=1)
    arrays_of = {
        "category": random.integers(0, 3, size),
        "attribute": target.astype(np.float32),
        "number": np.zeros((size, 2), np.float32),
        "size": random.integers(0, 3, size),
    }
    targets = {name: Targets(array, random.random(array.shape) < 0.9) for name, array in arrays_of.items()}
    tasks = scored(torch.from_numpy(logits), targets, seed)
    ends = bootstrap.intervals(
        lambda w: {k: v for t in tasks for k, v in weighted.measure_weighted(t, w).items()}, size, 0
    )
    return {t.task.name: figures.task_section(t, ends, THRESHOLDS.get(t.task.name)) for t in tasks}


def test_curves_are_thinned_and_run_from_full_recall_to_none():
    for row in sections(3000)["attribute"]["per_label"]:
        curve = row["curve"]
        assert len(curve["recall"]) == len(curve["precision"]) == len(curve["threshold"]) == 200
        assert (curve["recall"][0], curve["recall"][-1], curve["precision"][-1]) == (1, 0, 1)
        assert all(a >= b for a, b in pairwise(curve["recall"]))
        area = sum((a - b) * p for (a, b), p in zip(pairwise(curve["recall"]), curve["precision"], strict=False))
        assert area == pytest.approx(row["average_precision"]["value"], abs=0.01)


def test_the_counts_of_a_label_and_of_a_confusion_add_up():
    found = sections(60)
    for row in found["attribute"]["per_label"]:
        for decision in (HALF, STORED):
            at = row[decision]
            assert at["true_positives"] + at["false_negatives"] == row["support"]
            assert at["f1"]["interval"][0] <= at["f1"]["value"] <= at["f1"]["interval"][1]
    for task in ("category", "size"):
        counts = np.array(found[task]["confusion"]["counts"])
        supports = [row["support"] for row in found[task]["per_label"]]
        assert counts.sum(axis=1).tolist() == supports
        assert sum(supports) == found[task]["labelled_images"]
        missing = [label for label, support in zip(CLASSES, supports, strict=True) if not support]
        assert found[task]["without_positive"] == missing
    present = sum(row["support"] > 0 for row in found["category"]["per_label"])
    assert found["category"]["num_in_mean"] == {"balanced_accuracy": present}


def test_a_regression_has_the_metrics_of_each_column_with_its_spread():
    for row, column in zip(sections(200)["number"]["per_column"], COLUMNS, strict=True):
        assert row["column"] == column and 150 < row["labelled_images"] < 200
        assert (row["mean"], row["std"]) == (0, 0)
        assert row["mae"] == {"value": 0, "interval": [0, 0]} and row["r2"]["value"] == 1


def test_fitted_thresholds_have_one_name_on_the_split_of_their_fit_and_another_elsewhere():
    assert STORED not in json.dumps(sections(20, seed=0)) and CROSS_FITTED in json.dumps(sections(20, seed=0))
    assert CROSS_FITTED not in json.dumps(sections(20)) and STORED in json.dumps(sections(20))
