"""Pictures for trackers show what they are given, whatever the names are."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_accel.runs.label_pictures import draw_confusion, draw_label_f1

NAMES = ["$x^{", "a very long name of a class that nobody can read", "50%"]


def test_a_confusion_matrix_is_darkest_where_most_images_of_a_class_are() -> None:
    empty = draw_confusion("category", NAMES, np.zeros((3, 3), np.int64))
    full = draw_confusion("category", NAMES, np.diag([5, 5, 5]))
    assert full.dtype == np.uint8 and full.shape[2] == 3
    assert full.mean() < empty.mean()


@pytest.mark.parametrize("size", [2, 40])
def test_a_matrix_grows_with_its_classes(size: int) -> None:
    names = [f"class {number}" for number in range(size)]
    height, width, _ = draw_confusion("category", names, np.eye(size, dtype=np.int64)).shape
    assert min(height, width) > 30 * size


def test_bars_show_labels_without_a_figure_and_of_many_labels_the_worst() -> None:
    f1 = {"at 0.5": np.array([np.nan, 0.0, 1.0]), "at fitted": np.array([np.nan, 0.5, 1.0])}
    few = draw_label_f1("F1", NAMES, np.array([0, 1, 2]), f1)
    names = [f"label {number}" for number in range(200)]
    many = draw_label_f1("F1", names, np.arange(200), {"at 0.5": np.linspace(0, 1, 200)})
    assert few.shape[0] < many.shape[0] < 1500
