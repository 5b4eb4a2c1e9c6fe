"""The evaluation of a run's model on a split: every figure, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from accelerate import Accelerator
from torch import Tensor

from ..config import Config, read_run_config
from ..core import atomic_io
from ..core.errors import UserError
from ..core.progress import progress_lines
from ..data.labels.one_split import read_labeled_split
from ..data.labels.reader import Targets
from ..data.loading.broken_images import readable_part
from ..data.sources.given import GivenData, with_given_data
from ..inference import scoring
from ..inference.predictor import Predictor, load, print_notes, require_finite
from ..inference.tta import TTA, Given
from ..launching import agreement
from ..launching.accelerator import leave_at_exit, start_inference_accelerator
from ..objective.losses import build_losses
from ..runs.log import without_nan
from . import bootstrap, figures, weighted
from .decisions import CROSS_FITTED, STORED
from .task_predictions import TaskPredictions, collect_task_predictions

FITTED_ON = "validation"  # the split that a run's thresholds are fitted on


def evaluate(
    run: str | Path,
    split: str = "validation",
    *,
    config: Config | None = None,
    data: GivenData | None = None,
    output: str | Path | None = None,
    tta: Given = None,
) -> dict[str, Any]:
    """Compute every figure of a run's model on a labelled split, with 95% intervals, and write evaluation-SPLIT.json.

    It runs on every process that the launcher started. Figures at threshold 0.5 have the names that training logs.
    Fitted thresholds are cross-fitted on validation, where the model's were fitted ("_cross_fitted"), and the model's
    own on any other split ("_stored_thresholds").

    Args:
        config: of the data and the threads; None: the run's own.
        data: a table in place of the config's, which is the split that is asked for, or a mapping of splits to tables.
        output: the folder of the file; None: the run folder `run`.
        tta: figures of the mean over several views, as in `Predictor.predict`; they go to evaluation-SPLIT-tta.json.

    Returns: the content of the file, on the main process; {} on the others.
    Raises: UserError for a run without a model, a split without its labels, and what is wrong with `tta`.
    """
    of_run = read_run_config(Path(run), ()) if config is None else config
    accelerator = start_inference_accelerator("launch/evaluate.py", of_run.cpu_threads)
    config, predictor, views, table, targets = agreement.on_every_process(
        lambda: _prepare(Path(run), of_run, data, split, accelerator, tta)
    )
    agreement.require_same_inputs(split, table, targets, predictor.model.state_dict().values())
    with progress_lines():
        logits = predictor.mean_logits(table, tta=views, name=split)
    leave_at_exit()
    if not accelerator.is_main_process:
        return {}
    require_finite(run, split, logits)
    about = {"run": str(run), "source": config.data.source, "split": split, "images": len(table)} | _about(views)
    found: dict[str, Any] = without_nan(about | _all_figures(logits, targets, predictor, config, split))
    return _write(found, Path(run if output is None else output))


def _prepare(
    run: Path, config: Config, data: GivenData | None, split: str, accelerator: Accelerator, tta: Given
) -> tuple[Config, Predictor, TTA, datasets.Dataset, dict[str, Targets]]:
    """Load the model, and the rows of a split with their labels; the config names the data that are given."""
    config = with_given_data(config, data, split)
    predictor = load(run, num_workers=config.data.num_workers, accelerator=accelerator)
    views = predictor.parse_tta(tta)
    if unknown := [name for name in predictor.tasks if name not in config.tasks]:
        raise UserError(
            f"{run}: its model has the tasks {', '.join(unknown)}, which its config.json has not: one of the two is of "
            "another run; take both from the same one"
        )
    table, targets, notes = read_labeled_split(config, predictor.tasks, split)
    if accelerator.is_main_process:
        print_notes(notes)
    return config, predictor, views, *readable_part(table, targets, split, config.data)


def _about(views: TTA) -> dict[str, Any]:
    return {"tta": str(views), "views": views.num_views} if views.num_views > 1 else {}


def _all_figures(
    logits: Tensor, targets: dict[str, Targets], predictor: Predictor, config: Config, split: str
) -> dict[str, Any]:
    # The model knows the numbers of "balanced", for which the training split may be missing here.
    given = predictor.description.losses
    losses = build_losses({name: given.get(name, config.tasks[name].loss) for name in predictor.tasks}, predictor.tasks)
    seed = config.seed if split == FITTED_ON else None
    tasks = collect_task_predictions(logits, predictor.tasks, targets, losses, predictor.thresholds, seed)
    metrics = _with_fitted(scoring.score(logits, predictor.tasks, losses, targets), tasks)
    return _figures(tasks, metrics, predictor.thresholds, config.seed)


def evaluation_path(folder: Path, split: str, *, has_views: bool = False) -> Path:
    """Path of the evaluation of a split; with test-time augmentation it has a name of its own."""
    return folder / f"evaluation-{split}{'-tta' if has_views else ''}.json"


def _figures(
    tasks: list[TaskPredictions], metrics: Mapping[str, float], stored: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Metrics and the section of each task, with intervals."""
    ends = bootstrap.intervals(lambda weights: _measure(tasks, weights), len(tasks[0].mask), seed)
    return {
        "bootstrap": {"resamples": bootstrap.RESAMPLES, "confidence": bootstrap.CONFIDENCE, "seed": seed},
        "metrics": {name: figures.with_interval(number, ends[name]) for name, number in metrics.items()},
        "tasks": {t.task.name: figures.task_section(t, ends, stored.get(t.task.name)) for t in tasks},
    }


def _measure(tasks: list[TaskPredictions], weights: np.ndarray) -> weighted.Values:
    values: weighted.Values = {}
    for predictions in tasks:
        values |= weighted.measure_weighted(predictions, weights)
    values["loss"] = sum((t.task.weight * values[f"{t.task.name}/loss"] for t in tasks), np.zeros(len(weights)))
    return values


def _with_fitted(logged: Mapping[str, float], tasks: list[TaskPredictions]) -> dict[str, float]:
    """Metrics that training logs, each followed by its value with fitted thresholds."""
    fitted = {name: number for task in tasks for name, number in figures.threshold_metrics(task).items()}
    names = [name + suffix for name in logged for suffix in ("", f"_{CROSS_FITTED}", f"_{STORED}")]
    return {name: number for name in names if (number := (fitted | dict(logged)).get(name)) is not None}


def _write(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    with atomic_io.storage_errors(folder):
        atomic_io.make_folder(folder)
        atomic_io.write_json(evaluation_path(folder, result["split"], has_views="tta" in result), result)
    return result
