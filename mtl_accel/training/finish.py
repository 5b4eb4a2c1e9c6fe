"""The end of a run: thresholds fitted on the best epoch's validation, and the finished model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from .. import metrics
from ..core.errors import UserError
from ..core.tasks import Task
from ..data.labels.reader import Targets
from ..inference.logits import split_logits
from ..metrics import registry, thresholds
from ..objective.losses import resolve_balanced
from ..runs import checkpoint
from ..runs.model_folder import ModelDescription
from . import checkpointing, records
from .run import Run


def write_model(run: Run) -> dict[str, float]:
    """Write RUN/model from the best checkpoint, and log what its thresholds are worth. On the main process.

    Returns: figures on validation, with thresholds fitted on other rows: "attribute/f1_macro_cross_fitted" and so on.

    Raises:
        UserError: the best checkpoint is not there, or damaged.
    """
    run_dir = Path(run.config.run_dir)
    path = run_dir / "checkpoints" / checkpoint.BEST
    best = checkpoint.load(path)
    if run.progress.best_epoch is None:
        raise UserError(
            f"select_by: {run.config.select_by!r} was not finite in any epoch of {run_dir}, so none is the best and no "
            "model can be written; select by another metric"
        )
    if best is None:
        raise UserError(
            f"{path}: the best epoch's checkpoint ({run.progress.best_epoch}) is not in this run folder, and so no "
            "model can be written; restore it from a copy or from the run that this one was "
            "resumed from, then start again"
        )
    logits, targets = checkpointing.best_validation(best)
    fitted, figures = fit_thresholds(logits, targets, run.tasks, run.config.seed)
    precision, batch_size = run.accelerator.mixed_precision, run.validation_loader.batch_size
    losses = resolve_balanced(run.config.tasks, run.tasks, run.train_targets)
    transforms = run.pipelines.eval.fixed
    described = ModelDescription.from_run(run.config, transforms, run.tasks, fitted, precision, batch_size, losses)
    described.write(run_dir, best.tensors.get("ema", best.tensors["model"]))  # the weights that validation used
    for name in fitted:
        at_half, honest = run.progress.best[f"{name}/f1_macro"], figures[f"{name}/f1_macro_cross_fitted"]
        run.log.say(
            f"Val F1 ({run.tasks[name].title}) of the best epoch: {at_half:.6f} at threshold "
            f"{thresholds.DEFAULT_THRESHOLD}, {honest:.6f} with fitted thresholds (cross-fitted over "
            f"{thresholds.NUM_FOLDS} folds)"
        )
    records.track_end(run, fitted, figures, logits, targets)
    return figures


def fit_thresholds(
    logits: Tensor, targets: Mapping[str, Targets], tasks: Mapping[str, Task], seed: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Fit the thresholds of each multilabel task, float64 [C]; returns them, and their cross-fitted figures by name.

    Args:
        logits: of a split, [N, outputs]; targets: of the same N rows.
    """
    fitted: dict[str, np.ndarray] = {}
    figures: dict[str, float] = {}
    for name, part in split_logits(logits.double(), tasks).items():
        if tasks[name].kind == "multilabel":
            table = tasks[name].probabilities(part.numpy()), *targets[name]
            fitted[name] = thresholds.fit(*table)
            values = metrics.compute("multilabel", *table, thresholds.cross_fit(*table, seed))
            depending = registry.decision_metric_names("multilabel")
            figures |= {f"{name}/{metric}_cross_fitted": values[metric] for metric in depending}
    return fitted, figures
