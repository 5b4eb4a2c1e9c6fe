"""Tables of runs side by side: the leaderboard with the figures of the source, means over seeds, and overfitting."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ...metrics.registry import lower_is_better, title
from ..records import reference
from ..records.frames import summary
from ..records.runs import COMPOSITE, RunRecord
from ..tables import ABSENT, Cell, Row, Table, figure
from .curves import metrics_of

_CROSS_FITTED = "_cross_fitted"


def leaderboard(records: Sequence[RunRecord], frame: pd.DataFrame) -> Table:
    """Best validation value of each task and of their mean, with its epoch; the best runs first.

    Args:
        frame: of `compare`, a row a run, in the same order.
    """
    metrics = [metric for metric in metrics_of(records) if metric != "loss"]
    columns = [("run", [Cell(record.name, record.state) for record in records])]
    columns += [(title(m), _best_cells(frame, m, f"{m}_best", f"{m}_best_epoch")) for m in metrics]
    columns += [
        (f"{_fitted_title(name)} thresholds", _best_cells(frame, name, name, "best_epoch", ", cross-fitted"))
        for name in _fitted_metrics(frame)
    ]
    columns += [
        ("epochs", [Cell(f"{len(record.epochs)} of {record.config.epochs}") for record in records]),
        ("images/s", [Cell(figure(rate, 1)) for rate in frame["images_per_second"]]),
        ("seconds", [Cell(figure(record.seconds, 1) if record.epochs else ABSENT) for record in records]),
    ]
    head = tuple(name for name, _ in columns)
    lines = list(zip(*(cells for _, cells in columns), strict=True))
    rows = [Row(lines[number], number) for number in ranked(records)]
    rows += [_reference_row(record, metrics, len(head)) for record in records if reference.find(record)]
    caption = "Best validation value of each run, and its epoch"
    if COMPOSITE in metrics:
        caption += "; the composite is the mean of the tasks' metrics"
    return Table(caption, head, tuple(rows))


def ranked(records: Sequence[RunRecord]) -> list[int]:
    """Places of the runs, the highest mean of the tasks' metrics first, and runs without one last."""
    best = [record.best(COMPOSITE) for record in records]
    return sorted(range(len(records)), key=lambda number: -found[1] if (found := best[number]) else float("inf"))


def _fitted_metrics(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if name.endswith(f"f1_macro{_CROSS_FITTED}")]


def _fitted_title(name: str) -> str:
    return f"{title(name.removesuffix(_CROSS_FITTED))}, fitted"


def _best_cells(frame: pd.DataFrame, metric: str, values: str, epochs: str, note: str = "") -> list[Cell]:
    """One cell a run: its value, the epoch of it, and whether it is the best of several."""
    known = frame[values].dropna()
    best = None if len(known) < 2 else known.min() if lower_is_better(metric) else known.max()
    return [
        Cell(ABSENT) if pd.isna(value) else Cell(figure(value), f"epoch {epoch}{note}", value == best)
        for value, epoch in zip(frame[values], frame[epochs], strict=True)
    ]


def _reference_row(record: RunRecord, metrics: Sequence[str], length: int) -> Row:
    measured = reference.find(record)
    assert measured is not None
    cells = [Cell(figure(measured.last_epoch.get(m), 6), measured.kaggle.get(m, "")) for m in metrics]
    name = Cell(f"{record.folder.name}, the source", "last epoch")
    return Row((name, *cells, *[Cell(ABSENT)] * (length - 1 - len(cells))), aside=True)


def over_seeds(records: Sequence[RunRecord], frame: pd.DataFrame) -> Table | None:
    """Mean and deviation at the best epoch, of configs that ran with several seeds; None where there is none."""
    means = summary(frame[frame["status"] == "finished"])
    means = means[means["runs"] > 1]
    if means.empty:
        return None
    heads = {name: title(name) for name in metrics_of(records)}
    heads |= {name: _fitted_title(name) for name in _fitted_metrics(frame)}
    known = {name: head for name, head in heads.items() if f"{name}_mean" in means.columns}
    rows = []
    for config, row in means.iterrows():
        values = [f"{figure(row[f'{name}_mean'])} ± {figure(row[f'{name}_std'])}" for name in known]
        rows.append(Row((Cell(str(config)), Cell(f"{row['runs']:.0f}"), *map(Cell, values))))
    caption = "Mean and standard deviation over seeds, at each run's best epoch"
    return Table(caption, ("config", "seeds", *known.values()), tuple(rows))


def overfitting(records: Sequence[RunRecord]) -> Table:
    """Difference of each run between training and validation after its last epoch."""
    metrics = metrics_of(records)
    rows = []
    for number, record in enumerate(records):
        last = str(record.epochs[-1].epoch) if record.epochs else ABSENT
        cells = [_gap_cell(record, metric) for metric in metrics]
        rows.append(Row((Cell(record.name), Cell(last), *cells, _lowest_loss_cell(record)), number))
    caption = "Overfitting: how much better the last epoch is on training images than on validation"
    return Table(caption, ("run", "last epoch", *map(title, metrics), "lowest validation loss"), tuple(rows))


def _gap_cell(record: RunRecord, metric: str) -> Cell:
    found = record.gap(metric)
    if found is None:
        return Cell(ABSENT)
    return Cell(f"{found.size:+.4f}", f"train {found.train:.4f}\nvalidation {found.validation:.4f}")


def _lowest_loss_cell(record: RunRecord) -> Cell:
    losses = record.values("validation", "loss")
    best = record.best("loss")
    if best is None:
        return Cell(ABSENT)
    risen = losses[max(losses)] - best[1]
    return Cell(figure(best[1]), f"epoch {best[0]}" + (f"\n{risen:+.4f} since" if risen > 0 else ""))
