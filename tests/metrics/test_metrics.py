"""Metrics are scikit-learn's values over what is labelled, from `evaluate` metrics that need no network and no home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import evaluate
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import Arrays, example, examples, mean

from mtl_accel import metrics
from mtl_accel.core.tasks import Task
from mtl_accel.metrics.registry import REGISTRY, metric_names, primary_metric
from mtl_accel.metrics.selection import composite

PROBE = """
import json
import numpy as np
from mtl_accel import metrics
scores = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
arrays = {"predictions": scores, "references": np.array([0, 1, 1]), "mask": np.array([True, True, True])}
values = metrics.METRICS["multiclass"](cache_dir="cache").compute(**arrays)
del values["per_label"]
assert values == metrics.compute("multiclass", *arrays.values())
print(json.dumps(values))
"""


def check(got: dict[str, float], expected: dict[str, float]) -> None:
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def binary_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    return sk.f1_score(true, predicted, zero_division=0)


@settings(max_examples=40)
@given(examples("multiclass"))
def test_multiclass_equals_scikit_learn_on_the_labelled_rows(arrays: Arrays) -> None:
    scores, targets, mask = arrays
    true, predicted = targets[mask], scores[mask].argmax(axis=1)
    present = np.unique(true)
    recalls = [float((predicted[true == c] == c).mean()) for c in present]
    expected = {"accuracy": mean((true == predicted).tolist()), "balanced_accuracy": mean(recalls)}
    check(metrics.compute("multiclass", *arrays), expected)
    if 1 < len(present) <= len(true) / 2 and set(predicted) <= set(present):
        assert sk.balanced_accuracy_score(true, predicted) == pytest.approx(expected["balanced_accuracy"])


@settings(max_examples=40)
@given(examples("multilabel"), st.sampled_from([0.5, 0.0, 0.9]))
def test_multilabel_equals_scikit_learn_on_the_labelled_elements(arrays: Arrays, threshold: float) -> None:
    scores, targets, mask = arrays
    predicted = scores >= threshold
    columns = [(targets[m, c] == 1, predicted[m, c], scores[m, c]) for c, m in enumerate(mask.T) if m.any()]
    rows = [(targets[n, m] == 1, predicted[n, m]) for n, m in enumerate(mask) if m.any()]
    expected = {
        "f1_macro": mean([binary_f1(true, guess) for true, guess, _ in columns]),
        "f1_micro": binary_f1(targets[mask] == 1, predicted[mask]) if mask.any() else np.nan,
        "f1_samples": mean([binary_f1(true, guess) for true, guess in rows]),
        "map": mean([sk.average_precision_score(true, s.astype(float)) for true, _, s in columns if true.any()]),
    }
    check(metrics.compute("multilabel", *arrays, threshold=threshold), expected)


@settings(max_examples=40)
@given(examples("regression"))
def test_regression_equals_scikit_learn_on_the_labelled_elements(arrays: Arrays) -> None:
    scores, targets, mask = arrays
    columns = [(targets[m, c], scores[m, c].astype(np.float64)) for c, m in enumerate(mask.T) if m.any()]
    expected = {
        "mae": mean([sk.mean_absolute_error(*column) for column in columns]),
        "rmse": mean([sk.root_mean_squared_error(*column) for column in columns]),
        "r2": mean([sk.r2_score(*column) for column in columns if len(column[0]) > 1]),
    }
    check(metrics.compute("regression", *arrays), expected)


def test_without_a_mask_the_multilabel_values_are_scikit_learns_own_averages() -> None:
    scores, targets, mask = example("multilabel", seed=0, num_rows=200, num_columns=5, labelled=1.0)
    predicted = scores >= 0.5
    expected = {f"f1_{average}": sk.f1_score(targets, predicted, average=average) for average in ("macro", "micro")}
    expected["f1_samples"] = sk.f1_score(targets, predicted, average="samples", zero_division=0)
    expected["map"] = sk.average_precision_score(targets, scores.astype(np.float64), average="macro")
    check(metrics.compute("multilabel", scores, targets, mask), expected)


@pytest.mark.parametrize("kind", metrics.METRICS)
def test_each_kind_returns_exactly_the_names_of_its_records(kind: str) -> None:
    values = metrics.compute(kind, *example(kind, 0, 10, 3, 0.8))
    assert tuple(values) == metric_names(kind)
    assert all(type(value) is float for value in values.values())
    assert primary_metric(kind) in values


def test_there_is_a_metric_for_every_kind_of_task() -> None:
    assert set(metrics.METRICS) == set(REGISTRY)


@pytest.mark.parametrize("kind", metrics.METRICS)
def test_each_metric_is_an_evaluate_metric_that_describes_itself(kind: str, tmp_path: Path) -> None:
    metric = metrics.METRICS[kind](cache_dir=str(tmp_path))
    assert isinstance(metric, evaluate.Metric)
    assert all(name in metric.description for name in metric_names(kind))
    assert metric.citation and set(metric.features) == {"predictions", "references", "mask"}


@pytest.mark.parametrize("kind", metrics.METRICS)
def test_batches_added_one_by_one_give_the_value_of_the_whole(kind: str, tmp_path: Path) -> None:
    scores, targets, mask = example(kind, 1, 30, 4, 0.8)
    metric = metrics.METRICS[kind](cache_dir=str(tmp_path))
    for part in np.array_split(np.arange(len(scores)), 4):
        metric.add_batch(predictions=scores[part], references=targets[part], mask=mask[part])
    values = metric.compute()
    check({n: values[n] for n in metric_names(kind)}, metrics.compute(kind, scores, targets, mask))


@pytest.mark.parametrize("kind", metrics.METRICS)
@pytest.mark.parametrize("num_rows", [0, 6])
def test_nothing_labelled_gives_nan_and_no_warning(kind: str, num_rows: int) -> None:
    values = metrics.compute(kind, *example(kind, 0, num_rows, 3, labelled=0.0))
    assert np.isnan(list(values.values())).all()


@pytest.mark.parametrize("kind", metrics.METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_model_gives_nan_and_a_diverged_masked_element_nothing(kind: str, bad: float) -> None:
    scores, targets, mask = example(kind, 0, 12, 3, 1.0)
    mask[0] = False
    expected = metrics.compute(kind, scores, targets, mask)
    scores[0] = bad
    assert metrics.compute(kind, scores, targets, mask) == expected
    scores[1, 0] = bad
    assert np.isnan(list(metrics.compute(kind, scores, targets, mask).values())).all()


def test_a_probability_at_its_threshold_is_a_positive_and_each_label_has_its_own_threshold() -> None:
    scores = np.array([[0.5, 0.5], [0.2, 0.2]])
    targets, mask = np.array([[1, 0], [0, 0]]), np.ones((2, 2), dtype=bool)
    assert metrics.compute("multilabel", scores, targets, mask)["f1_micro"] == pytest.approx(2 / 3)
    assert metrics.compute("multilabel", scores, targets, mask, threshold=np.array([0.5, 0.6]))["f1_micro"] == 1.0


def test_per_label_rows_of_a_multilabel_task_count_the_labelled_rows_alone() -> None:
    scores, targets, mask = example("multilabel", 3, 50, 3, 0.6)
    mask[:, 2] = False
    rows = metrics.per_label("multilabel", scores, targets, mask, ["wool", "stripes", "hood"])
    assert [row["label"] for row in rows] == ["wool", "stripes", "hood"]
    for c, row in enumerate(rows[:2]):
        true, predicted = targets[mask[:, c], c] == 1, scores[mask[:, c], c] >= 0.5
        assert row["precision"] == pytest.approx(sk.precision_score(true, predicted), rel=1e-12)
        assert row["recall"] == pytest.approx(sk.recall_score(true, predicted), rel=1e-12)
        assert row["f1"] == pytest.approx(sk.f1_score(true, predicted), rel=1e-12)
        assert row["support"] == true.sum()
    assert np.isnan(rows[2]["f1"]) and rows[2]["support"] == 0
    assert np.mean([row["f1"] for row in rows[:2]]) == metrics.compute("multilabel", scores, targets, mask)["f1_macro"]


def test_per_label_rows_of_a_multiclass_task_are_its_classes() -> None:
    scores, targets, mask = example("multiclass", 3, 60, 3, 0.8)
    rows = metrics.per_label("multiclass", scores, targets, mask, ["coat", "shirt", "shoe"])
    recalls = sk.recall_score(targets[mask], scores[mask].argmax(axis=1), average=None)
    assert [row["recall"] for row in rows] == pytest.approx(recalls.tolist())
    assert sum(row["support"] for row in rows) == mask.sum()


@pytest.mark.parametrize(("metric", "is_alike"), [("r2", True), ("mae", False), ("rmse", False)])
def test_a_mean_over_tasks_knows_no_unit_of_a_regression_by_r2_alone(metric: str, is_alike: bool) -> None:
    scores, targets, mask = example("regression", 0, 20, 1, labelled=1.0)
    task = Task("price", "regression", ("price",), ("price",), metric)
    means = [
        composite(
            {task.metric: metrics.compute("regression", scores * cents, targets * cents, mask)[metric]}, {"price": task}
        )
        for cents in (1.0, 100.0)
    ]
    assert (means[1] == pytest.approx(means[0])) is is_alike


def test_a_regression_has_no_per_label_rows() -> None:
    assert metrics.per_label("regression", *example("regression", 0, 5, 2, 1.0), ["price", "size"]) == []


def test_per_label_refuses_a_wrong_number_of_names() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        metrics.per_label("multilabel", *example("multilabel", 0, 5, 3, 1.0), ["only"])


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    metric = metrics.MulticlassMetric(cache_dir=str(tmp_path))
    with pytest.raises(ValueError, match="2 predictions, 3 references, 3 rows of mask"):
        metric.compute(predictions=np.zeros((2, 2)), references=np.zeros(3), mask=np.ones(3, dtype=bool))


@pytest.mark.parametrize("kind", metrics.METRICS)
def test_nothing_is_left_in_the_temporary_folder(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    metrics.compute(kind, *example(kind, 0, 5, 2, 1.0))
    with pytest.raises((ValueError, IndexError)):
        metrics.compute(kind, np.zeros(3), np.zeros((3, 2)), np.ones((3, 2), dtype=bool))
    assert list(tmp_path.iterdir()) == []


def test_offline_with_an_unwritable_home_no_metric_runs_code_from_the_working_folder(tmp_path: Path) -> None:
    for name in ("accuracy", "multiclass_metric", "mtl_accel_metric"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text("open('executed', 'w').close()\n")
    # A folder below a file can be made by nobody, not even by root.
    (tmp_path / "file").write_text("")
    environment = os.environ | {"HF_HOME": str(tmp_path / "file" / "home"), "HF_HUB_OFFLINE": "1"}
    probe = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert probe.returncode == 0, probe.stderr
    assert json.loads(probe.stdout) == {"accuracy": pytest.approx(2 / 3), "balanced_accuracy": 0.75}
    assert not (tmp_path / "executed").exists()
