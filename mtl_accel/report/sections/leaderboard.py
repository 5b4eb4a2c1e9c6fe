"""The runs side by side: the leaderboard with the source's figures, means over seeds, and how far each overfits."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ...metrics.registry import lower_is_better
from ..elements.tables import ABSENT, Cell, Row, Table, figure
from ..records import reference
from ..records.frames import summary
from ..records.runs import COMPOSITE, RunRecord
from .figures import metrics_of, title


def leaderboard(records: Sequence[RunRecord], frame: pd.DataFrame) -> Table:
    """The best validation value of each task and of their mean, with its epoch; the best runs first."""
    metrics = [m for m in metrics_of(records) if m != "loss"]
    fitted = [name for name in frame.columns if name.endswith("f1_macro_cross_fitted")]
    head = ["run", *map(title, metrics), *(f"{title(_plain(name))}, fitted thresholds" for name in fitted)]
    head += ["epochs", "images/s", "seconds"]
    bests = {m: [record.best(m) for record in records] for m in metrics}
    rows = [
        (
            order(record),
            Row(
                (
                    Cell(record.name, record.state),
                    *(_best_cell(m, bests[m], number) for m in metrics),
                    *(_fitted_cell(frame, name, number) for name in fitted),
                    Cell(f"{len(record.epochs)} of {record.config.epochs}"),
                    Cell(figure(frame["images_per_second"][number], 1)),
                    Cell(figure(record.seconds, 1) if record.epochs else ABSENT),
                ),
                number,
            ),
        )
        for number, record in enumerate(records)
    ]
    ranked = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
    ranked += [_reference_row(record, metrics, len(head)) for record in records if reference.of(record)]
    caption = "Best validation value of each run, and its epoch"
    if COMPOSITE in metrics:
        caption += "; the composite is the mean of the tasks' metrics"
    return Table(caption, tuple(head), tuple(ranked))


def _plain(name: str) -> str:
    return name.removesuffix("_cross_fitted")


def order(record: RunRecord) -> float:
    """Smaller stands higher: by the mean of the tasks' metrics, and runs without an epoch last."""
    best = record.best(COMPOSITE)
    return -best[1] if best else float("inf")


def _best_cell(metric: str, bests: Sequence[tuple[int, float] | None], number: int) -> Cell:
    best = bests[number]
    if best is None:
        return Cell(ABSENT)
    known = [value for found in bests if found for value in [found[1]]]
    top = min(known) if lower_is_better(metric) else max(known)
    return Cell(figure(best[1]), f"epoch {best[0]}", len(known) > 1 and best[1] == top)


def _fitted_cell(frame: pd.DataFrame, name: str, number: int) -> Cell:
    value, known = frame[name][number], frame[name].dropna()
    if pd.isna(value):
        return Cell(ABSENT)
    epoch = frame["best_epoch"][number]
    return Cell(figure(value), f"epoch {epoch}, cross-fitted", len(known) > 1 and value == known.max())


def _reference_row(record: RunRecord, metrics: Sequence[str], length: int) -> Row:
    measured = reference.of(record)
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
    names = [*metrics_of(records), *(name for name in frame.columns if name.endswith("f1_macro_cross_fitted"))]
    known = [name for name in names if f"{name}_mean" in means.columns]
    head = ["config", "seeds", *(title(_plain(n)) + (", fitted" if n != _plain(n) else "") for n in known)]
    rows = []
    for config, row in means.iterrows():
        values = [f"{figure(row[f'{name}_mean'])} ± {figure(row[f'{name}_std'])}" for name in known]
        rows.append(Row((Cell(str(config)), Cell(f"{row['runs']:.0f}"), *map(Cell, values))))
    return Table("Mean and standard deviation over seeds, at each run's best epoch", tuple(head), tuple(rows))


def overfitting(records: Sequence[RunRecord]) -> Table:
    """How much better each run is on what it trains on than on validation, after its last epoch."""
    metrics = metrics_of(records)
    head = ("run", "last epoch", *map(title, metrics), "lowest validation loss")
    rows = []
    for number, record in enumerate(records):
        last = str(record.epochs[-1].epoch) if record.epochs else ABSENT
        cells = [_gap_cell(record, metric) for metric in metrics]
        rows.append(Row((Cell(record.name), Cell(last), *cells, _since_lowest(record)), number))
    caption = "Overfitting: how much better the last epoch is on training images than on validation"
    return Table(caption, head, tuple(rows))


def _gap_cell(record: RunRecord, metric: str) -> Cell:
    found = record.gap(metric)
    if found is None:
        return Cell(ABSENT)
    return Cell(f"{found.size:+.4f}", f"train {found.train:.4f}\nvalidation {found.validation:.4f}")


def _since_lowest(record: RunRecord) -> Cell:
    losses = record.values("validation", "loss")
    best = record.best("loss")
    if best is None:
        return Cell(ABSENT)
    risen = losses[max(losses)] - best[1]
    return Cell(figure(best[1]), f"epoch {best[0]}" + (f"\n{risen:+.4f} since" if risen > 0 else ""))
