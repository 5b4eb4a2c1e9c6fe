"""The mistakes that a model was surest of, the confusions and the labels of one task, from its probabilities."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pytest
from PIL import Image

from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.reader import Targets
from mtl_accel.report.records import mistakes, validation
from mtl_accel.report.sections import label_figures
from mtl_accel.report.sections.label_tables import label_table

CLASS = Task("category", "multiclass", ("category",), ("shirt", "dress", "coat"), "accuracy")
LABELS = Task("attribute", "multilabel", ("zip", "hood"), ("zip", "hood"), "f1_macro")
NUMBERS = Task("price", "regression", ("price", "weight"), ("price", "weight"), "mae")


def table(num_rows: int, broken: int | None = None) -> datasets.Dataset:
    stream = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(stream, "PNG")
    images = [{"bytes": b"no image" if row == broken else stream.getvalue(), "path": None} for row in range(num_rows)]
    return datasets.Dataset.from_dict({"id": [f"{row}.png" for row in range(num_rows)], "image": images})


def test_of_classes_the_surest_wrong_answer_comes_first_and_no_right_or_unlabelled_one() -> None:
    scores = np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9], [0.2, 0.7, 0.1]])
    found = mistakes.find_wrong_answers(
        CLASS, scores, np.array([1, 0, 0, 1]), np.array([True, True, False, True]), None
    )
    assert [(w.row, w.true, w.predicted, w.description) for w in found] == [
        (1, "shirt", "dress", "probability 0.80"),
        (0, "dress", "shirt", "probability 0.60"),
    ]


def test_of_labels_a_missed_one_and_a_wrongly_seen_one_count_by_how_sure_they_are() -> None:
    scores = np.array([[0.9, 0.6], [0.4, 0.01], [0.9, 0.9], [0.9, 0.1]])
    target = np.array([[0, 1], [0, 1], [1, 1], [0, 0]], np.float32)
    mask = np.array([[True, True], [True, True], [True, True], [False, True]])
    found = mistakes.find_wrong_answers(LABELS, scores, target, mask, np.array([0.5, 0.5]))
    assert [(w.row, w.true, w.predicted, w.description) for w in found] == [
        (1, "hood", "none", "missed: hood, probability 0.01"),
        (0, "hood", "zip, hood", "wrongly seen: zip, probability 0.90"),
    ]


def test_the_thresholds_of_the_model_decide_what_is_a_mistake() -> None:
    scores, target, mask = np.array([[0.4, 0.6]]), np.array([[1.0, 0.0]]), np.ones((1, 2), bool)
    assert mistakes.find_wrong_answers(LABELS, scores, target, mask, np.array([0.3, 0.7])) == []
    assert len(mistakes.find_wrong_answers(LABELS, scores, target, mask, np.array([0.5, 0.5]))) == 1


def test_of_numbers_only_errors_beyond_a_deviation_count_and_each_column_has_its_own() -> None:
    target = np.array([[0.0, 0.0], [10.0, 1000.0], [0.0, 0.0], [10.0, 1000.0]])
    scores = target + np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 700.0], [1.0, 10.0]])
    found = mistakes.find_wrong_answers(NUMBERS, scores, target, np.ones((4, 2), bool), None)
    assert [(w.row, w.true, w.predicted, w.description) for w in found] == [
        (1, "price 10", "price 30", "off by 4.0 deviations"),
        (2, "weight 0", "weight 700", "off by 1.4 deviations"),
    ]
    assert mistakes.find_wrong_answers(NUMBERS, scores, target, np.zeros((4, 2), bool), None) == []


def wrong(row: int, kind: int) -> mistakes.WrongAnswer:
    return mistakes.WrongAnswer(row, (kind, 0), 1 - row / 100, "a", "b", "sure")


def test_few_of_a_kind_are_shown_and_no_more_than_fit() -> None:
    same = [wrong(row, 0) for row in range(9)]
    assert [m.id for m in mistakes.choose_mistakes(same, table(9))] == ["0.png", "1.png", "2.png"]
    different = [wrong(row, row) for row in range(20)]
    assert len(mistakes.choose_mistakes(different, table(20))) == mistakes.MAX_SHOWN
    assert mistakes.choose_mistakes([], table(1)) == []


def test_pictures_are_small_and_one_that_cannot_be_decoded_is_left_empty() -> None:
    shown = mistakes.choose_mistakes([wrong(0, 0), wrong(1, 1)], table(2, broken=1))
    assert shown[0].picture.startswith("data:image/jpeg;base64,") and len(shown[0].picture) < 4000
    assert shown[1].picture == ""


def figures(task: Task, scores: np.ndarray, target: np.ndarray, thresholds: np.ndarray | None = None):
    mask = np.ones(target.shape, bool)
    return validation.task_figures(task, scores, Targets(target, mask), thresholds, table(len(scores)))


def test_confusions_are_counted_by_true_and_predicted_class() -> None:
    scores = np.eye(3)[[0, 1, 1, 2, 0]]
    confusion = figures(CLASS, scores, np.array([0, 0, 0, 2, 2])).confusion
    assert confusion is not None
    assert confusion.counts == [[1, 2, 0], [0, 0, 0], [1, 0, 1]]
    assert confusion.most == [("shirt", "dress", 2), ("coat", "shirt", 1)] and confusion.left_out == 0


def test_of_many_classes_those_with_the_most_mistakes_are_kept_in_their_order() -> None:
    classes = tuple(f"class {number}" for number in range(30))
    task = Task("category", "multiclass", ("category",), classes, "accuracy")
    target = np.repeat(np.arange(30), 2)
    guessed = np.where(target >= 15, (target + 1 - 15) % 15 + 15, target)
    confusion = figures(task, np.eye(30)[guessed], target).confusion
    assert confusion is not None
    assert len(confusion.classes) == 20 and confusion.left_out == 10
    assert confusion.classes == sorted(confusion.classes, key=lambda name: int(name.split()[1]))
    assert set(classes[15:]) <= set(confusion.classes)
    drawing = label_figures.confusion_matrix("category", "v1", confusion)
    assert "class 15 taken for class 16 (2)" in drawing.description


def test_a_multilabel_table_names_both_thresholds_and_the_cross_fitted_mean() -> None:
    scores = np.array([[0.4, 0.9], [0.1, 0.2], [0.3, 0.8]])
    target = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]], np.float32)
    shown = label_table(
        figures(LABELS, scores, target, np.array([0.25, 0.85])), {"attribute/f1_macro_cross_fitted": 0.7}
    )
    assert shown is not None
    rows = [[cell.text for cell in row.cells] for row in shown.rows]
    assert rows[0] == ["zip", "2", "0.000", "0.250", "1.000"]
    assert rows[1] == ["hood", "1", "0.667", "0.850", "1.000"]
    assert rows[2] == ["mean of the labels", "", "0.333", "", "1.000"]
    assert rows[3] == ["the same, cross-fitted", "", "0.333", "", "0.700"]
    assert shown.rows[2].cells[4].note == "fitted on these images"
    assert shown.rows[3].cells[4].note == "fitted on other images"


def test_the_mean_of_the_labels_says_what_it_is_over_where_some_have_no_image() -> None:
    target = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], np.float32)
    shown = label_table(figures(LABELS, np.full((3, 2), 0.4), target, np.array([0.25, 0.85])), {})
    assert shown is not None
    assert shown.rows[2].cells[0].text == "mean of 2 of 2 labels; 1 without an image count as 0"


def test_a_regression_shows_every_metric_of_each_column_in_its_unit() -> None:
    scores = np.array([[1.0, 260_000.0], [3.0, 240_000.0], [5.0, 0.0]])
    target = np.array([[1.0, 250_000.0], [3.0, 250_000.0], [7.0, 123.0]], np.float32)
    mask = np.array([[True, True], [True, True], [True, False]])
    found = validation.task_figures(NUMBERS, scores, Targets(target, mask), None, table(3))
    shown = label_table(found, {})
    assert shown is not None and shown.head == ("column", "images", "mean", "deviation", "R\u00b2", "MAE", "RMSE")
    rows = [[cell.text for cell in row.cells] for row in shown.rows]
    assert rows[0] == [NUMBERS.columns[0], "3", "3.6667", "2.4944", "0.78571", "0.66667", "1.1547"]
    assert rows[1] == [NUMBERS.columns[1], "2", "250000", "0", "0", "10000", "10000"]
    assert found.model_validate_json(found.model_dump_json()) == found


def test_ordered_classes_are_taken_for_the_median() -> None:
    task = Task("size", "ordinal", ("size",), tuple("SML"), "quadratic_kappa", link="conditional")
    scores = np.array([[0.4, 0.25, 0.35], [0.1, 0.2, 0.7]])
    found = figures(task, scores, np.array([0, 2]))
    assert found.confusion is not None and found.confusion.most == [("S", "M", 1)]
    (mistake,) = found.mistakes
    assert (mistake.true, mistake.predicted, mistake.confidence) == ("S", "M", "probability 0.25")


@pytest.mark.parametrize(("task", "size"), [(CLASS, 3), (LABELS, 2), (NUMBERS, 2)])
def test_a_task_without_a_label_is_all_gaps_and_no_error(task: Task, size: int) -> None:
    shape = (4,) if task.kind == "multiclass" else (4, size)
    targets = Targets(np.zeros(shape), np.zeros(shape, bool))
    thresholds = np.array([0.5, 0.5]) if task.kind == "multilabel" else None
    found = validation.task_figures(task, np.full((4, size), 0.25), targets, thresholds, table(4))
    assert found.num_mistakes == 0
    assert all(value is None for name, value in found.metrics.items() if not name.endswith("support"))
    found.model_validate_json(found.model_dump_json())
