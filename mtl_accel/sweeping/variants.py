"""The worth of each part: runs of each variant against runs of the config as it is, seed by seed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from ..config.sections.tasks import metric_names
from ..metrics.registry import title
from ..report.tables import Cell, Row, Table, spread
from .plan import AS_IT_IS, Member


def quality_metrics(members: Sequence[Member]) -> list[str]:
    """The metrics of all tasks by their full names, without the losses: those do not compare between recipes."""
    known = dict.fromkeys(name for member in members for name in metric_names(member.config.tasks))
    return [name for name in known if name.rpartition("/")[2] != "loss"]


def variant_table(members: Sequence[Member], frame: pd.DataFrame) -> Table | None:
    """A line for each variant of each config: variant minus config as it is, each seed against the same seed.

    A pair of runs shares its order of samples and its augmentation, so its difference varies less than that of means.
    A task that does not train on both sides, its weight being 0, has no figure.

    Args:
        frame: of `compare`, a row a member, in the same order.

    Returns: None when there is nothing to compare.
    """
    numbered = list(zip(frame.index, members, strict=True))
    as_it_is = {_key(member): (place, member) for place, member in numbered if _is_as_it_is(member)}
    metrics = [metric for metric in quality_metrics(members) if metric in frame.columns]
    changes: dict[tuple[str, str], list[dict[str, float]]] = {}
    for place, member in numbered:
        if _is_as_it_is(member) or _key(member) not in as_it_is:  # the latter: it failed, or the sweep has no variants
            continue
        base, base_member = as_it_is[_key(member)]
        both = [name for name in metrics if _trained(name, member) and _trained(name, base_member)]
        line = (str(frame["config"][base]), member.settings["variant"])
        changes.setdefault(line, []).append({name: frame[name][place] - frame[name][base] for name in both})
    return _table(changes, metrics) if changes else None


def _is_as_it_is(member: Member) -> bool:
    return member.settings.get("variant") == AS_IT_IS


def _key(member: Member) -> str:
    """Key that two runs share if they differ by their variant only."""
    rest = {path: value for path, value in member.settings.items() if path != "variant"}
    return json.dumps([member.source, member.config.seed, rest])


def _trained(metric: str, member: Member) -> bool:
    task = member.config.tasks.get(metric.rpartition("/")[0])
    return task is not None and task.weight > 0


def _table(changes: dict[tuple[str, str], list[dict[str, float]]], metrics: list[str]) -> Table:
    rows = []
    for (config, variant), pairs in changes.items():
        spreads = [spread([pair[name] for pair in pairs if name in pair], 4) for name in metrics]
        rows.append(Row(tuple(map(Cell, (config, variant, str(len(pairs)), *spreads)))))
    caption = "What a variant changes: its figure less that of the config as it is, same seed, mean ± deviation"
    head = ("config", "variant", "runs", *map(title, metrics))
    return Table(caption, head, tuple(rows), frozenset({0, 1}))
