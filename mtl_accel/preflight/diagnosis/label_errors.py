"""Suspected label errors of finished runs: validation labels that the model confidently contradicts, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...config import read_run_config
from ...core import atomic_io
from ...core.csv_cells import csv_line, escape_formula
from ...core.errors import UserError
from ...core.tasks import Task
from ...data.labels.reader import Targets
from ...data.sources.splits import ids_of
from ...report.records.mistakes import thumbnail
from ...report.records.validation import ValidationAnswers, predict_validation
from .confident_learning import Suspects, find_suspects
from .findings import Finding, Picture, note, table, warning

CHECK = "label_errors"
_MAX_PICTURES = 24  # of a task
_HEAD = ("id", "label", "given", "suggested")


class LabelError(NamedTuple):
    """One suspected label error.

    Attributes:
        row: its place in the pooled validation rows of the runs.
        label: the label or column; "" where a task gives one class a row.
        evidence: what the model says, in words; `doubt` is the number that the errors are sorted by.
    """

    row: int
    id: str
    label: str
    given: str
    suggested: str
    evidence: str
    doubt: float


class Answers(NamedTuple):
    """What the models of one or several runs say of rows that they were not trained on.

    Attributes:
        places: for each row the number of the run and the row of its validation split.
        scores, targets: by task, with the rows in the order of `ids`.
    """

    tasks: dict[str, Task]
    ids: list[str]
    places: list[tuple[int, int]]
    scores: dict[str, np.ndarray]
    targets: dict[str, Targets]


def label_error_findings(
    runs: Sequence[str | Path], arguments: Sequence[str] = (), output: Path | None = None
) -> Iterator[Finding]:
    """One finding for each task: its suspected label errors in the validation splits of some runs.

    Runs of several folds are pooled: each row has the probabilities of the run that held it out, and where several
    runs did, their mean. So the runs of all folds together search the whole training data.

    Args:
        arguments: other data than a run's own, such as ["--data.source", "my_photos"].
        output: the CSV of all of them to write; None: none.

    Raises:
        UserError: a run has no finished model or other tasks than the first one, or its data cannot be read.
    """
    paths = list(dict.fromkeys(Path(run) for run in runs))
    parts = [predict_validation(path, read_run_config(path, arguments)) for path in paths]
    answers = pool(paths, parts)
    found = {name: find_label_errors(task, answers) for name, task in answers.tasks.items()}
    if output is not None:
        _write_csv(output, found)
    for name, errors in found.items():
        shown = errors[:_MAX_PICTURES]
        places = [answers.places[error.row] for error in shown]
        rows = [parts[number].table[row] for number, row in places]
        pictures = [thumbnail(row["image"], f"validation, id {row['id']}") for row in rows]
        yield _finding(answers.tasks[name], errors, int(answers.targets[name].mask.sum()), pictures, output)


def pool(runs: Sequence[Path], parts: Sequence[ValidationAnswers]) -> Answers:
    """Put the validation rows of several runs together, ordered by their ids.

    Raises:
        UserError: two runs have different tasks, classes or labels.
    """
    tasks = parts[0].model.tasks
    problems = [
        f"--run: {run} has other tasks or classes than {runs[0]}; give runs of one data set and config, such as the "
        "folds of one"
        for run, part in zip(runs, parts, strict=True)
        if _outputs(part.model.tasks) != _outputs(tasks)
    ]
    if problems:
        raise UserError(problems)
    places = [(number, row) for number, part in enumerate(parts) for row in range(len(part.table))]
    all_ids = [identifier for part in parts for identifier in ids_of(part.table)]
    ids, first, inverse, counts = np.unique(
        np.array(all_ids, dtype=object), return_index=True, return_inverse=True, return_counts=True
    )
    scores, targets = {}, {}
    for name in tasks:
        sums = np.zeros((len(ids), len(tasks[name].classes)))
        np.add.at(sums, inverse, np.concatenate([part.scores[name] for part in parts]))
        scores[name] = sums / counts[:, None]
        given = zip(*(part.targets[name] for part in parts), strict=True)
        targets[name] = Targets(*(np.concatenate(arrays)[first] for arrays in given))
    return Answers(dict(tasks), list(ids), [places[place] for place in first], scores, targets)


def _outputs(tasks: dict[str, Task]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: (task.kind, task.classes) for name, task in tasks.items()}


def find_label_errors(task: Task, answers: Answers) -> list[LabelError]:
    """Find the suspected label errors of a task, worst first."""
    scores, (target, mask) = answers.scores[task.name], answers.targets[task.name]
    suspects = find_suspects(task, scores, target, mask)
    return [_describe(task, answers, suspects, number) for number in range(len(suspects.rows))]


def _describe(task: Task, answers: Answers, suspects: Suspects, number: int) -> LabelError:
    row, output = int(suspects.rows[number]), int(suspects.outputs[number])
    suggested, doubt = float(suspects.suggested[number]), float(suspects.doubt[number])
    scores, target = answers.scores[task.name][row], answers.targets[task.name].target[row]
    if task.is_single_label:
        names = task.classes[int(target)], task.classes[int(suggested)]
        evidence = f"probability {scores[int(target)]:.2f} of {names[0]}, {scores[int(suggested)]:.2f} of {names[1]}"
        return LabelError(row, answers.ids[row], "", *names, evidence, doubt)
    label = task.classes[output]
    if task.kind == "multilabel":
        given = str(int(target[output]))
        evidence = f"probability {scores[output]:.2f} of {label}"
        return LabelError(row, answers.ids[row], label, given, str(int(suggested)), evidence, doubt)
    evidence = f"{doubt:.1f} robust deviations from the prediction"
    return LabelError(row, answers.ids[row], label, f"{target[output]:.6g}", f"{suggested:.6g}", evidence, doubt)


def _finding(
    task: Task, errors: Sequence[LabelError], num_labels: int, pictures: Sequence[str], output: Path | None
) -> Finding:
    if not errors:
        return note(CHECK, f"{task.name}: none of {num_labels} validation labels is suspected to be wrong")
    caption = f"{task.name}: suspected label errors, the worst first"
    rows = [(error.id, error.label, error.given, error.suggested, error.evidence) for error in errors]
    written = "" if output is None else f" All of them stand in {output.name}."
    return warning(
        CHECK,
        f"{task.name}: {len(errors)} of {num_labels} validation labels are suspected to be wrong",
        "The model, which was not trained on these rows, is confident of something else (confident learning). It may "
        f"be the model that is wrong: look at the pictures before you change a label.{written}",
        tables=(table(caption, (*_HEAD, "evidence"), rows, num_words=5),),
        pictures=tuple(
            Picture(
                caption=f"{error.label}: given {error.given}" if error.label else f"given: {error.given}",
                note=f"suggested: {error.suggested}; {error.evidence}; {error.id}",
                uris=(uri,),
            )
            for error, uri in zip(errors, pictures, strict=False)
        ),
    )


def _write_csv(path: Path, found: dict[str, list[LabelError]]) -> None:
    lines = [csv_line(("task", *_HEAD, "doubt"))]
    for name, errors in found.items():
        for error in errors:
            cells = (name, error.id, error.label, error.given, error.suggested, f"{error.doubt:.6g}")
            lines.append(csv_line([escape_formula(cell) for cell in cells]))
    atomic_io.write_bytes(path, "".join(lines).encode("utf-8", "replace"))
