"""launch/evaluate.py on real runs: the figures of training to the last digit, honest names, and errors that name."""

from __future__ import annotations

import csv
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import real_runs as runs
import small_predict
import small_run

import mtl_accel
from mtl_accel import metrics, models
from mtl_accel.config import read_run_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.one_split import read_labeled_split
from mtl_accel.evaluation.evaluate import evaluation_path
from mtl_accel.evaluation.table import format_table

LAUNCH = runs.ROOT / "launch"
main = functools.partial(small_predict.main, script=LAUNCH / "evaluate.py")


@pytest.fixture(scope="module", autouse=True)
def small_pair():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "small", small_run.Small)
        yield


def with_test(folder: Path, num_train: int = 37) -> Path:
    """A source with a labelled test split: the validation pictures, in another order."""
    source = runs.write_source(folder, num_train=num_train, num_validation=13)
    shutil.copytree(source / "val", source / "test")
    head, *rows = (source / "val.csv").read_text().splitlines()
    (source / "test.csv").write_text("\n".join([head, *reversed(rows)]) + "\n")
    return source


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return with_test(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def run(tmp_path_factory, source) -> Path:
    config = runs.write_config(tmp_path_factory.mktemp("run") / "c.json", source)
    runs.run(config)
    return runs.run_dir(config)


@pytest.fixture(scope="module")
def validation(run) -> dict:
    return mtl_accel.evaluate(run)


def end_of(run: Path) -> dict:
    return json.loads((run / "log.jsonl").read_text().splitlines()[-1])


def numbers(row: dict) -> dict[str, float]:
    return {name: value["value"] for name, value in row["metrics"].items()}


def test_validation_has_the_figures_of_training_to_the_last_digit(run, validation):
    end = end_of(run)
    assert numbers(validation) == end["best"] | end["fitted"]


def test_every_metric_has_its_interval_and_every_label_its_figures(validation):
    for value in validation["metrics"].values():
        assert value["interval"][0] <= value["interval"][1]
    for name, labels in (("category", runs.CLASSES), ("attribute", runs.LABELS)):
        section = validation["tasks"][name]
        assert [row["label"] for row in section["per_label"]] == list(labels)
        assert len(section["reliability"]["bins"]) == 15
        for row in section["per_label"]:
            assert {"support", "average_precision", "curve"} <= row.keys()
    assert len(validation["tasks"]["category"]["confusion"]["counts"]) == len(runs.CLASSES)


def test_the_file_holds_what_is_returned_and_nothing_else_is_left(run, validation):
    assert json.loads(evaluation_path(run, "validation").read_text()) == validation
    assert [path.name for path in run.iterdir() if "evaluation" in path.name] == ["evaluation-validation.json"]


def test_on_test_the_stored_thresholds_are_taken_and_on_validation_only_cross_fitted_ones(run, validation, tmp_path):
    test = mtl_accel.evaluate(run, "test", output=tmp_path / "new" / "folder")
    assert json.loads(evaluation_path(tmp_path / "new" / "folder", "test").read_text()) == test
    assert not evaluation_path(run, "test").exists()
    stored = {name for name in test["metrics"] if name.endswith("_stored_thresholds")}
    honest = {name for name in validation["metrics"] if name.endswith("_cross_fitted")}
    assert {name.removesuffix("_stored_thresholds") for name in stored} == {
        name.removesuffix("_cross_fitted") for name in honest
    }
    assert "cross_fitted" not in json.dumps(test) and "stored_thresholds" not in json.dumps(validation)
    # The rows are those of validation in another order, so all else is equal but for the order of sums.
    for name, value in numbers(test).items():
        if name not in stored:
            assert value == pytest.approx(numbers(validation)[name], rel=1e-5)


@pytest.mark.parametrize("tta", [[], ["--tta", "mirror,scales=1.2"]])
def test_two_processes_find_what_one_finds_and_one_of_them_tells_it(run, tta, tmp_path):
    one = mtl_accel.evaluate(run, tta=",".join(tta[1:]), output=tmp_path / "one")
    printed = tmp_path / "printed"
    printed.touch()
    arguments = ["--run", str(run), "--output", str(tmp_path), *tta]
    code, output = runs.finish(runs.fork(main, arguments, {"ACCELERATE_USE_CPU": "true"}, printed, 2))
    assert code == 0, output
    assert json.loads(evaluation_path(tmp_path, "validation", has_views=bool(tta)).read_text()) == one
    assert output.count(format_table(one)) == 1


def test_figures_of_several_views_are_those_of_their_mean_in_a_file_of_their_own(run, validation):
    found = mtl_accel.evaluate(run, tta=["mirror", {"scales": [1.2]}])
    assert json.loads((run / "evaluation-validation-tta.json").read_text()) == found
    assert json.loads(evaluation_path(run, "validation").read_text()) == validation
    assert "images, the mean of 4 views of each: mirror,scales=1.2" in format_table(found).splitlines()[0]
    predictor = mtl_accel.load(run, "cpu")
    table, targets, _ = read_labeled_split(read_run_config(run, ()), predictor.tasks, "validation")
    for name, scores in predictor.probabilities(table, tta="mirror,scales=1.2").items():
        expected = metrics.compute(predictor.tasks[name].kind, scores, *targets[name])
        assert {metric: found["metrics"][f"{name}/{metric}"]["value"] for metric in expected} == pytest.approx(expected)


def test_the_table_shows_both_f1_beside_each_other_by_name(validation):
    lines = format_table(validation).splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("Attribute F1 (macro), at 0.5"))
    assert lines[first + 1].startswith("Attribute F1 (macro), cross-fitted")
    assert all(any(line.startswith(label) for line in lines) for label in (*runs.CLASSES, *runs.LABELS))
    assert sum(line.startswith("expected calibration error") for line in lines) == 2


def test_validation_held_out_of_training_is_the_one_that_the_run_had(tmp_path):
    source = runs.write_source(tmp_path / "source", num_train=60, num_validation=1)
    (source / "val.csv").unlink()
    config = runs.write_config(tmp_path / "c.json", source, epochs=1)
    runs.run(config)
    row = mtl_accel.evaluate(runs.run_dir(config))
    assert numbers(row) == end_of(runs.run_dir(config))["best"] | end_of(runs.run_dir(config))["fitted"]
    assert row["images"] == round(0.12 * 60)


def evaluate_other(run: Path, source: Path, split: str = "test") -> list[str]:
    """What is wrong with evaluating a run on another source."""
    with pytest.raises(UserError) as caught:
        mtl_accel.evaluate(run, split, config=read_run_config(run, ["--data.source", str(source)]))
    return caught.value.problems


def change(source: Path, change_row) -> None:
    """Rewrite test.csv; a row is a dictionary."""
    path = source / "test.csv"
    with path.open(newline="") as file:
        rows = [change_row(row) for row in csv.DictReader(file)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_source_of_a_test_split_alone_is_enough(run, tmp_path):
    source = with_test(tmp_path / "other")
    for name in ("train", "val"):
        shutil.rmtree(source / name)
        (source / f"{name}.csv").unlink()
    change(source, lambda row: row | {"category": "circle"})  # fewer classes than the model knows
    row = mtl_accel.evaluate(run, "test", config=read_run_config(run, ["--data.source", str(source)]), output=tmp_path)
    assert [label["support"] for label in row["tasks"]["category"]["per_label"]] == [13, 0, 0]


def test_a_task_without_labels_has_no_figures_and_the_others_have(run, tmp_path):
    source = with_test(tmp_path / "other")
    change(source, lambda row: {"filename": row["filename"], "category": row["category"]})
    row = mtl_accel.evaluate(run, "test", config=read_run_config(run, ["--data.source", str(source)]), output=tmp_path)
    assert row["tasks"]["attribute"]["labelled_images"] == 0
    assert row["metrics"]["attribute/f1_macro"] == {"value": None, "interval": [None, None]}
    assert row["metrics"]["category/accuracy"]["value"] is not None
    assert "Attribute F1 (macro), at 0.5" in format_table(row)


def test_classes_that_the_model_does_not_know_are_named(run, tmp_path):
    source = with_test(tmp_path / "other")
    change(source, lambda row: row | {"category": "hexagon" if row["category"] == "line" else row["category"]})
    problems = evaluate_other(run, source)
    assert "'hexagon'" in problems[0] and "3 classes" in problems[0]
    assert problems[1].startswith("tasks.category: the model knows circle, line, square")


def test_a_label_that_has_no_column_is_named(run, tmp_path):
    source = with_test(tmp_path / "other")
    change(source, lambda row: {name: cell for name, cell in row.items() if name != "red"})
    (problem,) = evaluate_other(run, source)
    assert "tasks.attribute: the split 'test' has no column red" in problem


def test_a_split_without_labels_and_one_that_is_not_there_are_named(run, tmp_path):
    source = with_test(tmp_path / "other")
    change(source, lambda row: {"filename": row["filename"]})
    (problem,) = evaluate_other(run, source)
    assert f"the split 'test' of {source} has no labels in the columns" in problem and "category, big, red" in problem
    (source / "test.csv").unlink()
    (problem,) = evaluate_other(run, source)
    assert str(source) in problem and "test" in problem


def test_a_run_without_its_model_and_no_run_at_all_are_named(run, tmp_path):
    with pytest.raises(UserError, match=rf"--run: {tmp_path} holds no config.json"):
        mtl_accel.evaluate(tmp_path)
    shutil.copy(run / "config.json", tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path} is neither a run folder with a finished model"):
        mtl_accel.evaluate(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=str(tmp_path / "file")):
        mtl_accel.evaluate(run, "test", output=tmp_path / "file" / "below")


def test_the_script_says_what_is_wrong_with_its_arguments(run):
    command = [sys.executable, str(LAUNCH / "evaluate.py"), "--run", str(run), "--epochs", "2"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --epochs: no such option")


def test_evaluate_py_does_not_stand_in_for_the_library_of_its_name():
    # Python puts the folder of train.py before all others, and evaluate.py lies beside it.
    script = f"""
import sys
sys.path[0], sys.argv = {str(LAUNCH)!r}, [{str(LAUNCH / "train.py")!r}]
from mtl_accel.cli import console
console.run_and_report_errors(lambda: 0)
from mtl_accel.metrics import METRICS
import evaluate
print(evaluate.__file__, METRICS["multiclass"].__name__)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    path, name = result.stdout.split()
    assert Path(path).parent.name == "evaluate" and LAUNCH not in Path(path).parents
    assert name == "MulticlassMetric"
