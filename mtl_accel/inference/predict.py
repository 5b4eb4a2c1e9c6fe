"""The predictions for a split as files: predictions.parquet and one submission for each task."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
from accelerate import Accelerator

from ..config import Config, read_run_config
from ..core import atomic_io
from ..core.errors import UserError
from ..core.progress import progress_lines
from ..data.labels.one_split import read_images
from ..data.sources.given import GivenData, with_given_data
from ..data.sources.splits import ids_of
from ..data.sources.table_cache import TableCache
from ..launching import agreement
from ..launching.accelerator import leave_at_exit, start_inference_accelerator
from . import answers, submission
from .predictor import Predictor, load, print_notes
from .sample_submission import Expected, plan_submissions
from .submission import Form, Submission
from .tta import TTA, Given

TABLE = "predictions.parquet"


def predict(
    run: str | Path,
    output: str | Path,
    *,
    split: str = "test",
    config: Config | None = None,
    data: GivenData | None = None,
    probabilities: bool = False,
    flip: bool = False,
    tta: Given = None,
    sample_submission: Sequence[str] = (),
    multilabel_form: Form = "columns",
    raw: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write the predictions of a run's model for every row of a split, on every process that the launcher started.

    Args:
        config: of the data and the threads; None: the run's own, with all rows of its data.
        data: a table in place of the config's, which is the split that is asked for, or a mapping of splits to tables.
        flip: decide on the mean of each image's probabilities and those of its mirror image.
        tta: decide on the mean over several views of each image, as in `Predictor.predict`.
        sample_submission: CSVs whose columns, ids and order the submissions have; each PATH or TASK=PATH.
        multilabel_form: form of a multilabel task's submission without a sample: 0/1 columns, or a list in one cell.
        raw: do not escape cells that a spreadsheet would run.

    Returns: the paths of the files, on the main process; [] on the others.
    Raises: UserError for everything that is wrong with the run, the split, its images, the samples or the folder.
    """
    of_run = config or read_run_config(Path(run), (), whole=True)
    accelerator = start_inference_accelerator("launch/predict.py", of_run.cpu_threads)
    config, predictor = agreement.on_every_process(lambda: _load(run, of_run, data, split, accelerator))
    options = tta, flip, sample_submission, multilabel_form, Path(output), overwrite
    images, views, expected, planned = agreement.on_every_process(lambda: _prepare(predictor, config, split, *options))
    scores = _scores(predictor, images, views, split)
    if not accelerator.is_main_process:
        return []
    table = _table(expected, scores, predictor.thresholds, probabilities)
    return _write(Path(output), table, submission.format_files(planned, table, expected.names, raw=raw))


def _scores(predictor: Predictor, images: datasets.Dataset, views: TTA, split: str) -> dict[str, np.ndarray]:
    """Probabilities of every task, once all processes have the same images and weights."""
    agreement.require_same_inputs(split, images, {}, predictor.model.state_dict().values())
    with progress_lines():
        scores = predictor.probabilities(images, tta=views, name=split)
    leave_at_exit()
    return scores


def _load(
    run: str | Path, config: Config, data: GivenData | None, split: str, accelerator: Accelerator
) -> tuple[Config, Predictor]:
    """The config with the data that are given, and the run's model."""
    predictor = load(run, num_workers=config.data.num_workers, accelerator=accelerator)
    return with_given_data(config, data, split), predictor


def _prepare(
    predictor: Predictor,
    config: Config,
    split: str,
    tta: Given,
    flip: bool,
    samples: Sequence[str],
    multilabel_form: Form,
    output: Path,
    overwrite: bool,
) -> tuple[datasets.Dataset, TTA, Expected, list[Submission]]:
    """Read the images and their views, and plan predictions and submissions, none of which may overwrite a file."""
    views = predictor.parse_tta(tta, flip=flip)
    images, expected = _expected(predictor, config, split)
    submissions = plan_submissions(expected, samples, multilabel_form, _tables(config))
    _check_folder(output, submissions, overwrite)
    return images, views, expected, submissions


def _expected(predictor: Predictor, config: Config, split: str) -> tuple[datasets.Dataset, Expected]:
    """Read the images of a split, and say what is predicted of them."""
    images, id_name, notes = read_images(config, split)
    if predictor.is_main_process:
        print_notes(notes)
    names = answers.column_names(predictor.tasks, id_name)
    return images, Expected(split, list(ids_of(images)), id_name, predictor.tasks, names)


def _tables(config: Config) -> TableCache:
    return TableCache(atomic_io.cache_dir(config.data.cache_dir) / "tables")


def _table(
    expected: Expected, scores: Mapping[str, np.ndarray], thresholds: Mapping[str, np.ndarray], probabilities: bool
) -> pd.DataFrame:
    ids, id_name = expected.ids, expected.id_name
    return answers.table(ids, scores, expected.tasks, thresholds, id_name=id_name, probabilities=probabilities)


def _check_folder(output: Path, submissions: Sequence[Submission], overwrite: bool) -> None:
    if output.exists() and not output.is_dir():
        raise UserError(f"--output: {output} is a file; give a folder, which is made where it is missing")
    there = [name for name in (TABLE, *(s.file_name for s in submissions)) if (output / name).exists()]
    if there and not overwrite:
        raise UserError(
            f"--output: {output} holds {', '.join(there)} already; give --overwrite to replace them, or another folder"
        )


def _write(output: Path, table: pd.DataFrame, submissions: Mapping[str, bytes]) -> list[Path]:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    content = {TABLE: buffer.getvalue(), **submissions}
    for name, whole in content.items():
        atomic_io.write_bytes(output / name, whole)
    return [output / name for name in content]
