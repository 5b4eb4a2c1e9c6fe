"""The tables at the end of a sweep: its runs side by side, with mean and standard deviation over seeds."""

from __future__ import annotations

import json

import pandas as pd

from ..core import atomic_io
from ..metrics.registry import lower_is_better, title
from ..report import summary
from ..report.records.frames import comparison_frame
from ..report.records.runs import COMPOSITE, read_runs
from ..report.sections.leaderboard import leaderboard
from ..report.tables import Cell, Row, Table, figure, markdown
from .equal_weights import equal_weights_lines
from .sharing import sharing_table
from .sweep import Sweep
from .variants import quality_metrics, variant_table


def write_comparison(done: Sweep) -> str:
    """Write comparison.md, runs.csv (a row a run) and means.csv (a row for runs that differ only by seed).

    Returns: the means as Markdown, the best first.

    Raises:
        UserError: files of a run that cannot be read.
    """
    records = read_runs([member.folder for member in done.members])
    frame = comparison_frame(records)
    settings = pd.DataFrame([_settings(member.settings) for member in done.members], index=frame.index)
    means = summary(frame)
    varied = settings.groupby(frame["config"], sort=False).first()
    chosen = {member.config.select_by for member in done.members}
    metric = COMPOSITE if chosen == {"mean"} or len(chosen) > 1 else chosen.pop()
    means = means.sort_values(f"{metric}_mean", ascending=lower_is_better(metric), kind="stable")
    several = [COMPOSITE] if any(len(member.config.tasks) > 1 for member in done.members) else []
    shown = [metric, *several, *quality_metrics(done.members), "loss"]
    table = _table(means, varied, list(dict.fromkeys(shown)))
    further = [variant_table(done.members, frame), sharing_table(done.members, frame)]
    text = "\n".join(markdown(one) for one in (table, *further) if one)
    text += "".join(f"\n{line}\n" for line in equal_weights_lines(done.members))
    whole = f"# Sweep\n\n{text}\n{markdown(leaderboard(records, frame))}"
    atomic_io.write_bytes(done.folder / "comparison.md", whole.encode())
    atomic_io.write_bytes(done.folder / "runs.csv", frame.join(settings).to_csv(index=False).encode())
    atomic_io.write_bytes(done.folder / "means.csv", varied.join(means, how="right").to_csv().encode())
    return text


def _settings(settings: object) -> dict[str, str]:
    assert isinstance(settings, dict)
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}


def _table(means: pd.DataFrame, varied: pd.DataFrame, metrics: list[str]) -> Table:
    """A line for each config: its values of the grid, and its figures at each run's best epoch."""
    known = [name for name in metrics if f"{name}_mean" in means.columns]
    head = ("config", *varied.columns, "runs", *map(title, known))
    rows = []
    for config in means.index:
        cells = [str(config), *varied.loc[config], f"{means['runs'][config]:.0f}"]
        cells += [_with_deviation(means[f"{name}_mean"][config], means[f"{name}_std"][config]) for name in known]
        rows.append(Row(tuple(map(Cell, cells))))
    caption = "Validation at each run's best epoch: mean ± standard deviation over seeds"
    return Table(caption, head, tuple(rows), frozenset(range(len(varied.columns) + 1)))


def _with_deviation(mean: float, deviation: float) -> str:
    return figure(mean) if pd.isna(deviation) else f"{figure(mean)} ± {figure(deviation)}"
