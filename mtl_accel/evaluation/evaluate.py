"""From a run and a split to all that can be said of its model there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import durable, launching, scoring
from ..config import Config, run_config
from ..data import evaluated
from ..errors import UserError
from ..losses import LOSSES
from ..predictor import load
from ..runlog import without_nan
from . import bootstrap, figures, weighted
from .scored import Scored, of_split

FITTED_ON = "validation"  # the split that a run's thresholds are fitted on


def evaluate(
    run: str | Path,
    split: str = "validation",
    *,
    config: Config | None = None,
    output: str | Path | None = None,
) -> dict[str, Any]:
    """Every figure of a run's model on a labelled split, with 95% intervals; written to evaluation-SPLIT.json too.

    On every process that the launcher started: each sees its share of the pictures.

    Thresholds at 0.5 have the names that training logs. On validation, which the model's thresholds were fitted on,
    fitted ones are cross-fitted ("_cross_fitted"); on any other split the model's own are taken ("_stored_thresholds").

    Args:
        run: a run folder.
        config: of the data and the threads; None: the run's own.
        output: the folder of the file; None: the run folder.

    Returns: what the file holds, on the main process; {} on the others.

    Raises:
        UserError: the run has no finished model, or the split no labels, or others than the model knows.
    """
    run = Path(run)
    config = run_config(run, ()) if config is None else config
    accelerator = launching.start_inference("launch/evaluate.py", config.cpu_threads)
    predictor = load(run, num_workers=config.data.num_workers, accelerator=accelerator)
    table, targets = evaluated.read(config, predictor.tasks, split)
    logits = predictor.logits(table, name=split)
    launching.leave_at_exit()
    if not accelerator.is_main_process:
        return {}
    if not logits.isfinite().all():
        raise UserError(f"{run}: what the model says of {split} is not finite; its weights are damaged")
    losses = {name: LOSSES[config.tasks[name].loss.name] for name in predictor.tasks}
    seed = config.seed if split == FITTED_ON else None
    tasks = of_split(logits, predictor.tasks, targets, losses, predictor.thresholds, seed)
    ends = bootstrap.intervals(lambda weights: _measure(tasks, weights), len(table), config.seed)
    metrics = scoring.score(logits, predictor.tasks, losses, targets)
    for scored in tasks:
        metrics |= figures.means(scored)
    row = {
        "run": str(run),
        "source": config.data.source,
        "split": split,
        "images": len(table),
        "bootstrap": {"resamples": bootstrap.RESAMPLES, "confidence": bootstrap.CONFIDENCE, "seed": config.seed},
        "metrics": {name: figures.value(number, ends[name]) for name, number in metrics.items()},
        "tasks": {s.task.name: figures.of_task(s, ends, predictor.thresholds.get(s.task.name)) for s in tasks},
    }
    result: dict[str, Any] = without_nan(row)
    _write(result, run if output is None else Path(output))
    return result


def path_of(folder: Path, split: str) -> Path:
    """Where the evaluation of a split lies."""
    return folder / f"evaluation-{split}.json"


def _measure(tasks: list[Scored], weights: np.ndarray) -> weighted.Values:
    values: weighted.Values = {}
    for scored in tasks:
        values |= weighted.measure(scored, weights)
    values["loss"] = sum((s.task.weight * values[f"{s.task.name}/loss"] for s in tasks), np.zeros(len(weights)))
    return values


def _write(result: dict[str, Any], folder: Path) -> None:
    with durable.storage_errors(folder):
        durable.make_folder(folder)
        durable.write_json(path_of(folder, result["split"]), result)
