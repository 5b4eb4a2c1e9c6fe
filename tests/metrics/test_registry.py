"""A metric is one record: added to the registry, it is wherever a metric is named, shown or computed."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl_accel import metrics
from mtl_accel.config import read_json, validate
from mtl_accel.config.sections.losses import BCE
from mtl_accel.config.sections.tasks import metric_names as metric_names_of_a_run
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Kind, Task
from mtl_accel.data.labels.reader import Targets
from mtl_accel.evaluation import bootstrap, figures, weighted
from mtl_accel.evaluation.decisions import STORED
from mtl_accel.evaluation.task_predictions import collect_task_predictions
from mtl_accel.inference.scoring import score
from mtl_accel.metrics import registry
from mtl_accel.metrics.record import Metric
from mtl_accel.metrics.selection import score_of
from mtl_accel.metrics.weighting import Weights, mean, select
from mtl_accel.objective.losses import build_losses
from mtl_accel.runs import curves
from mtl_accel.runs.log import log_block
from mtl_accel.training.finish import fit_thresholds

LABELS = ("x", "y", "z")
TASK = Task("attribute", "multilabel", LABELS, LABELS, "exact_misses")
LOSSES = build_losses({"attribute": BCE(name="bce")}, {"attribute": TASK})
CONFIG = Path("configs/quickstart.json")


def exact_misses(decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights) -> np.ndarray:
    """Share of the rows of which any label is wrong."""
    rows = np.flatnonzero(mask.any(axis=1))
    wrong = ((decisions != (target == 1)) & mask).any(axis=1)
    return mean(wrong[rows], select(sample_weight, rows))


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """A metric of a kind that has none of its sort: lower is better, and thresholds change it."""
    metric = Metric(
        "exact_misses",
        "exact misses",
        "Misses",
        "Share of images with a wrong label.",
        exact_misses,
        lower_is_better=True,
        uses_decisions=True,
    )
    monkeypatch.setitem(registry.REGISTRY, "multilabel", (*registry.REGISTRY["multilabel"], metric))
    return metric


def split() -> tuple[torch.Tensor, dict[str, Targets]]:
    random = np.random.default_rng(0)
    target = (random.random((60, 3)) < 0.4).astype(np.float32)
    logits = torch.from_numpy(random.normal(target - 0.5).astype(np.float32))
    return logits, {"attribute": Targets(target, random.random((60, 3)) < 0.9)}


def test_a_config_may_select_by_it_and_name_it_as_primary(added: Metric) -> None:
    chosen = read_json(CONFIG) | {"select_by": "attribute/exact_misses"}
    chosen["tasks"]["attribute"]["primary_metric"] = "exact_misses"
    config = validate(chosen, str(CONFIG))
    assert "attribute/exact_misses" in metric_names_of_a_run(config.tasks)


def test_a_config_that_names_a_metric_of_no_record_is_told_the_names_that_there_are(added: Metric) -> None:
    chosen = read_json(CONFIG)
    chosen["tasks"]["attribute"]["primary_metric"] = "exact_hits"
    with pytest.raises(UserError, match="'exact_hits' is none of f1_macro, f1_micro, f1_samples, map, exact_misses"):
        validate(chosen, str(CONFIG))


def test_the_scores_of_a_split_hold_it_and_the_lowest_one_is_the_best(added: Metric) -> None:
    logits, targets = split()
    values = score(logits, {"attribute": TASK}, LOSSES, targets)
    target, mask = targets["attribute"]
    expected = (((logits.numpy() >= 0) != target) & mask).any(axis=1)[mask.any(axis=1)].mean()
    assert values["attribute/exact_misses"] == expected
    for select_by in ("mean", "attribute/exact_misses"):
        assert score_of(values, {"attribute": TASK}, select_by) == -expected


def test_the_log_and_the_curves_show_it_by_its_titles(added: Metric) -> None:
    values = {"attribute/exact_misses": 0.25, "loss": 1.0}
    assert "Val Misses (Attribute): 0.250000 Val Loss" in log_block(1, {"attribute": TASK}, values, values)
    rows = [{"epoch": e, "validation": {"attribute/exact_misses": v}} for e, v in ((1, 0.5), (2, 0.25))]
    (axes,) = curves.plot(rows, ["attribute/exact_misses"]).axes
    assert axes.get_title(loc="left") == "Attribute exact misses"
    assert "best validation 0.2500, epoch 2" in [text.get_text() for text in axes.texts]


def test_the_evaluation_has_its_interval_and_what_fitted_thresholds_make_of_it(added: Metric) -> None:
    logits, targets = split()
    stored = {"attribute": np.array([0.3, 0.6, 0.9])}
    (predictions,) = collect_task_predictions(logits, {"attribute": TASK}, targets, LOSSES, stored, None)
    ends = bootstrap.intervals(lambda weights: weighted.measure_weighted(predictions, weights), 60, seed=0)
    values = score(logits, {"attribute": TASK}, LOSSES, targets) | figures.threshold_metrics(predictions)
    for name in ("attribute/exact_misses", f"attribute/exact_misses_{STORED}"):
        lower, upper = ends[name]
        assert lower < values[name] < upper
    assert "attribute/exact_misses_cross_fitted" in fit_thresholds(logits, targets, {"attribute": TASK}, 0)[1]


def test_the_evaluate_metric_of_its_kind_returns_and_describes_it(added: Metric, tmp_path: Path) -> None:
    metric = metrics.METRICS["multilabel"](cache_dir=str(tmp_path))
    assert "exact_misses" in metric.description
    scores, target, mask = np.full((4, 2), 0.9), np.ones((4, 2)), np.ones((4, 2), bool)
    assert metric.compute(predictions=scores, references=target, mask=mask)["exact_misses"] == 0


def test_the_documentation_lists_every_metric_with_its_meaning(added: Metric) -> None:
    page = runpy.run_path("docs/hooks/reference.py")["metrics_page"]()
    for records in registry.REGISTRY.values():
        for metric in records:
            assert f"`{metric.name}`" in page and metric.meaning in page


def test_a_name_that_two_kinds_share_has_one_title_and_one_direction() -> None:
    known: dict[str, tuple[str, bool]] = {}
    for records in registry.REGISTRY.values():
        for metric in records:
            facts = (metric.title, metric.lower_is_better)
            assert known.setdefault(metric.name, facts) == facts


def test_titles_read_as_a_person_would_write_them() -> None:
    names = ["loss", "category/accuracy", "attribute/f1_macro", "sleeve_length/mae", "ID/map", "category/loss"]
    titles = ["Loss", "Category accuracy", "Attribute F1 (macro)", "Sleeve length MAE", "ID mAP", "Category loss"]
    assert [registry.title(name) for name in names] == titles


@pytest.mark.parametrize("kind", registry.REGISTRY)
def test_every_record_says_all_that_is_shown_of_it(kind: Kind) -> None:
    for metric in registry.REGISTRY[kind]:
        assert metric.name.isidentifier() and metric.title and metric.short_name
        assert metric.meaning.endswith(".")
    assert json.dumps(registry.metric_names(kind))
