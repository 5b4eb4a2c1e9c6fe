"""The table says what its means are over where labels of the split are missing, and nothing where none is."""

from __future__ import annotations

from typing import Any

import pytest

from mtl_accel.evaluation.decisions import LARGEST
from mtl_accel.evaluation.table import format_table

VALUE = {"value": 0.5, "interval": [0.4, 0.6]}


def evaluated(without: list[str], num_in_mean: int) -> dict[str, Any]:
    labels = [
        {
            "label": name,
            "support": 4,
            "average_precision": VALUE,
            LARGEST: dict.fromkeys(("precision", "recall", "f1"), VALUE),
        }
        for name in ("circle", "line")
    ]
    section = {
        "kind": "multiclass",
        "labelled_images": 4,
        "per_label": labels,
        "num_in_mean": {"balanced_accuracy": num_in_mean},
        "without_positive": without,
        "reliability": {"bins": [], "expected_calibration_error": 0.1},
    }
    drawn = {"confidence": 0.95, "resamples": 10}
    about = {"run": "runs/v5", "source": "photos", "split": "test", "images": 4, "bootstrap": drawn}
    return {**about, "metrics": {"category/accuracy": VALUE}, "tasks": {"category": section}}


@pytest.mark.parametrize(("without", "times"), [(["line"], 1), ([], 0)])
def test_what_the_means_are_over_is_one_line_where_a_class_is_missing(without: list[str], times: int) -> None:
    lines = format_table(evaluated(without, 2 - len(without))).splitlines()
    assert lines.count("balanced_accuracy over 1 of 2 classes; 1 has no image in test: 'line'") == times
    assert times or not any(" over " in line and "classes" in line for line in lines)
