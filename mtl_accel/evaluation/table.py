"""The evaluation as a table on the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.coverage import describe_means
from ..metrics.registry import find, title
from .decisions import CROSS_FITTED, HALF, LARGEST, MEDIAN, STORED, metric_suffix

_DECISIONS = {LARGEST: "", MEDIAN: "", HALF: "at 0.5", CROSS_FITTED: "cross-fitted", STORED: "stored thresholds"}
_MAX_CONFUSIONS = 5


def format_table(row: Mapping[str, Any]) -> str:
    """Format what `evaluate` returns: every metric, then each task's labels, calibration and confusions."""
    drawn = row["bootstrap"]
    views = f", the mean of {row['views']} views of each: {row['tta']}" if "tta" in row else ""
    lines = [
        f"{row['run']} on {row['split']} of {row['source']}: {row['images']:,} images{views}",
        f"[lower, upper]: {drawn['confidence']:.0%} interval of {drawn['resamples']:,} resamples of the images",
        "",
        *_columns([("", "value", ""), *((_metric_title(name), *_cells(v)) for name, v in row["metrics"].items())]),
    ]
    for name, section in row["tasks"].items():
        lines += ["", *_task(name, section, row["split"])]
    return "\n".join(lines)


def _task(name: str, section: Mapping[str, Any], split: str) -> list[str]:
    head = f"{title(name + '/').strip()} ({section['kind']}): {section['labelled_images']:,} labelled images"
    if section["kind"] == "regression":
        return [head, *_columns(_column_rows(section["per_column"]))]
    decisions = [decision for decision in _DECISIONS if decision in section["per_label"][0]]
    columns = [_head(section, decisions)]
    for label in section["per_label"]:
        cells = [label["label"], str(label["support"]), *_cells(label["average_precision"], 3, 2)]
        for decision in decisions:
            of_decision = label[decision]
            cells += [_number(of_decision[column]["value"], 3) for column in ("precision", "recall")]
            cells += _cells(of_decision["f1"], 3, 2)
        columns.append((*cells, *([_number(label["threshold"], 3)] if "threshold" in label else [])))
    means = describe_means(
        section["kind"], section["num_in_mean"], len(section["per_label"]), section["without_positive"], split
    )
    lines = [head, *([means] if means else []), *_columns(columns)]
    error = _number(section["reliability"]["expected_calibration_error"])
    lines.append(f"expected calibration error over {len(section['reliability']['bins'])} bins: {error}")
    confused = _confusions(section)
    return lines + ([f"most often confused (true -> predicted): {', '.join(confused)}"] if confused else [])


def _column_rows(columns: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The columns of a regression with their metrics, under a head."""
    names = [name for name, value in columns[0].items() if isinstance(value, Mapping)]
    heads = [cell for name in names for cell in (title(name), "")]
    rows = [
        (
            row["column"],
            str(row["labelled_images"]),
            *(_number(row[spread], 3) for spread in ("mean", "std")),
            *(cell for name in names for cell in _cells(row[name], 3)),
        )
        for row in columns
    ]
    return [("column", "labelled", "mean", "std", *heads), *rows]


def _head(section: Mapping[str, Any], decisions: Sequence[str]) -> tuple[str, ...]:
    columns = ["label", "support", "AP", ""]
    for decision in decisions:
        columns += ["precision", "recall", f"F1 {_DECISIONS[decision]}".strip(), ""]
    return (*columns, *(["stored threshold"] if "threshold" in section["per_label"][0] else []))


def _confusions(section: Mapping[str, Any]) -> list[str]:
    counts = section.get("confusion", {}).get("counts", [])
    labels = [row["label"] for row in section["per_label"]]
    pairs = [
        (count, labels[true], labels[guess])
        for true, line in enumerate(counts)
        for guess, count in enumerate(line)
        if true != guess and count
    ]
    most = sorted(pairs, key=lambda pair: -pair[0])[:_MAX_CONFUSIONS]
    return [f"{true} -> {guess} {count}" for count, true, guess in most]


def _metric_title(name: str) -> str:
    """ "attribute/f1_macro_cross_fitted" in words."""
    for decision in (CROSS_FITTED, STORED):
        if name.endswith(metric_suffix(decision)):
            return f"{title(name.removesuffix(metric_suffix(decision)))}, {_DECISIONS[decision]}"
    metric = find(name)
    return f"{title(name)}, {_DECISIONS[HALF]}" if metric is not None and metric.uses_decisions else title(name)


def _cells(value: Mapping[str, Any], digits: int = 6, digits_of_ends: int = 3) -> tuple[str, str]:
    """A number and its interval as two cells."""
    lower, upper = (_number(end, digits_of_ends) for end in value["interval"])
    return _number(value["value"], digits), f"[{lower}, {upper}]" if value["value"] is not None else ""


def _number(value: float | None, digits: int = 6) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns: the first one to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            c.ljust(w) if place == 0 else c.rjust(w) for place, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
