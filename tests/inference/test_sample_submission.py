"""A sample is matched to the letter, or everything in which it differs is told before anything is predicted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Kind, Task
from mtl_accel.data.sources.table_cache import TableCache
from mtl_accel.inference.sample_submission import Expected, plan_submissions
from mtl_accel.inference.submission import format_csv
from mtl_accel.metrics.registry import primary_metric


def task(name: str, kind: Kind, *classes: str, column: str | None = None) -> Task:
    columns = (column or name,) if kind == "multiclass" or column else classes
    return Task(name, kind, columns, classes, primary_metric(kind))


KIND = task("kind", "multiclass", "coat", "=dress", column="category")
LABELS = task("labels", "multilabel", "zip", "hood", "belt")
PRICE = task("price", "regression", "price")
ANSWERS = pd.DataFrame(
    {
        "filename": ["-1.jpg", "2.jpg", "a.jpg"],
        "kind": ["coat", "=dress", "coat"],
        "zip": [1, 0, 1],
        "hood": [0, 0, 1],
        "belt": [0, 0, 1],
        "price": [-1.5, 2.0, 0.25],
    }
)
IDS = list(ANSWERS["filename"])


def expected(*tasks: Task, ids: list[str] = IDS) -> Expected:
    names = {t.name: [t.name] if t.kind == "multiclass" else list(t.classes) for t in tasks}
    return Expected("test", ids, "filename", {t.name: t for t in tasks}, names)


@pytest.fixture
def cache(tmp_path) -> TableCache:
    return TableCache(tmp_path / "cache")


def written(folder: Path, sample: str, wanted: Expected, task_name: str, prefix: str = "") -> str:
    path = folder / "sample.csv"
    path.write_bytes(sample.encode())
    submissions = plan_submissions(wanted, [f"{prefix}{path}"], "columns", TableCache(folder / "cache"))
    assert [s.task.name for s in submissions] == list(wanted.tasks)
    (chosen,) = (s for s in submissions if s.order is not None)
    assert chosen.task.name == task_name
    return format_csv(chosen, ANSWERS, wanted.names[task_name])


def refused(folder: Path, sample: str, wanted: Expected, prefix: str = "") -> list[str]:
    with pytest.raises(UserError) as caught:
        written(folder, sample, wanted, "none", prefix)
    return [problem.removeprefix(f"{folder / 'sample.csv'}: ") for problem in caught.value.problems]


ALL = (KIND, LABELS, PRICE)
ROWS = "a.jpg,0\n-1.jpg,0\n2.jpg,0\n"


@pytest.mark.parametrize(
    ("header", "prefix", "tasks"),
    [
        ("filename,kind", "", ALL),  # the task's name
        ("id,category", "", ALL),  # the column of the data
        ("ImageId,label", "", ALL),  # the one task with a class
        ("whatever,Expected", "kind=", (*ALL, task("other", "multiclass", "x"))),
        ("whatever,Expected", "", (KIND,)),
    ],
)
def test_a_class_takes_header_order_and_ids_of_the_sample(tmp_path, header, prefix, tasks):
    result = written(tmp_path, f"{header}\n{ROWS}", expected(*tasks), "kind", prefix)
    # The ids stay as they are, though a spreadsheet would run one; a class is written so that it is not run.
    assert result == f"{header}\na.jpg,coat\n-1.jpg,coat\n2.jpg,'=dress\n"


def test_the_labels_stand_in_the_order_of_the_sample_wherever_the_id_stands(tmp_path):
    sample = "belt,zip,filename,hood\n" + "".join(
        f"0,0,{identifier},0\n" for identifier in ("2.jpg", "a.jpg", "-1.jpg")
    )
    result = written(tmp_path, sample, expected(*ALL), "labels")
    assert result == "belt,zip,filename,hood\n0,0,2.jpg,0\n1,1,a.jpg,1\n0,1,-1.jpg,0\n"


@pytest.mark.parametrize("header", ["id,labels", "id,tags"])
def test_one_column_for_all_labels_is_a_list(tmp_path, header):
    result = written(tmp_path, f"{header}\n{ROWS}", expected(*ALL), "labels", "labels=")
    assert result == f"{header}\na.jpg,zip hood belt\n-1.jpg,zip\n2.jpg,\n"


def test_numbers_take_any_name_of_their_column_when_the_task_is_said(tmp_path):
    assert written(tmp_path, f"id,price\n{ROWS}", expected(*ALL), "price").splitlines()[1:3] == [
        "a.jpg,0.25",
        "-1.jpg,-1.5",
    ]
    assert written(tmp_path, f"id,value\n{ROWS}", expected(*ALL), "price", "price=").startswith("id,value\na.jpg,0.25")


def test_each_task_may_have_a_sample_and_the_others_take_the_usual_form(tmp_path, cache):
    paths = [tmp_path / name for name in ("kind=1.csv", "b.csv")]
    for path, header in zip(paths, ("id,kind", "id,price"), strict=True):
        path.write_text(f"{header}\n{ROWS}")
    kind, labels, price = plan_submissions(expected(*ALL), list(map(str, paths)), "list", cache)
    assert kind.header == ("id", "kind") and price.header == ("id", "price") and labels.header == ("filename", "labels")
    assert kind.order is not None and kind.order.tolist() == [2, 0, 1] and labels.order is None


def test_ids_that_are_missing_doubled_unknown_or_blank_are_all_told_with_their_count(tmp_path):
    sample = "id,kind\n2.jpg,0\n2.jpg,0\n" + "".join(f"x{i}.jpg,0\n" for i in range(7)) + ",0\n"
    problems = refused(tmp_path, sample, expected(*ALL))
    assert problems[:4] == [
        "1 rows have no id; fill it in",
        "1 ids occur several times: '2.jpg'; keep one row of each",
        "7 ids are none of the test split's 3: 'x0.jpg', 'x1.jpg', 'x2.jpg', 'x3.jpg', 'x4.jpg', and 2 more",
        "2 ids of the test split are missing in it: '-1.jpg', 'a.jpg'",
    ]
    assert "--data.source, --split and --data.id_column" in problems[4] and len(problems) == 5


def test_ids_that_differ_by_a_suffix_are_told_so(tmp_path):
    problems = refused(tmp_path, "id,kind\n-1,0\n2,0\na.png,0\n", expected(*ALL))
    assert "3 ids differ only by a suffix, such as '-1' here and '-1.jpg' in the test split" in problems[-1]
    assert "--data.id_column" in problems[-1]
    other = refused(tmp_path, "id,kind\n-1.v2,0\n2.jpg,0\na.jpg,0\n", expected(*ALL))
    assert "suffix" not in other[-1]  # of no picture


def test_columns_that_are_missing_or_unknown_are_told_together_with_the_ids(tmp_path):
    sample = "id,zip,hoodie,x\n" + "".join(f"{identifier},0,0,0\n" for identifier in ("2.jpg", "a.jpg"))
    problems = refused(tmp_path, sample, expected(*ALL))
    assert problems[0] == "2 columns of task labels are missing: 'hood', 'belt'"
    assert problems[1] == "2 columns are none of task labels: 'hoodie', 'x'"
    assert "must be the id and zip, hood, belt" in problems[2]
    assert problems[3] == "1 ids of the test split are missing in it: '-1.jpg'"


def test_a_class_has_one_column_and_no_other(tmp_path):
    rows = "".join(f"{identifier},0,0\n" for identifier in IDS)
    (problem,) = refused(tmp_path, f"id,kind,confidence\n{rows}", expected(*ALL))
    assert "has two columns, the id and the class" in problem and "'kind', 'confidence'" in problem


@pytest.mark.parametrize(
    ("header", "tasks"),
    [("id,x", (KIND, task("other", "multiclass", "a"))), ("id,x", (LABELS, PRICE)), ("id", ALL), ("id,kind,zip", ALL)],
)
def test_a_sample_that_may_be_of_several_tasks_or_of_none_asks_for_the_task(tmp_path, header, tasks):
    rows = "".join(identifier + ",0" * header.count(",") + "\n" for identifier in IDS)
    (problem,) = refused(tmp_path, f"{header}\n{rows}", expected(*tasks))
    assert "do not tell which task it is of; give it as TASK=" in problem
    assert all(f"{t.name}: " in problem for t in tasks)


def test_a_label_whose_name_is_a_usual_one_of_ids_is_not_taken_for_the_id(tmp_path):
    labels = task("labels", "multilabel", "path", "image")
    answers = "key,path,image\n" + "".join(f"{identifier},0,0\n" for identifier in IDS)
    wanted = expected(labels)
    (submission,) = plan_submissions(wanted, [str(save(tmp_path, answers))], "columns", TableCache(tmp_path / "cache"))
    assert [part if isinstance(part, int) else part.name for part in submission.parts] == ["ID", 0, 1]


def save(folder: Path, content: str) -> Path:
    path = folder / "sample.csv"
    path.write_text(content)
    return path


def test_what_is_wrong_with_several_samples_and_lists_is_told_at_once(tmp_path, cache):
    long = task("labels", "multilabel", "long sleeves", "zip")
    good = str(save(tmp_path, f"id,kind\n{ROWS}"))
    with pytest.raises(UserError) as caught:
        plan_submissions(expected(KIND, long), [good, f"kind={good}", "nowhere.csv", f"size={good}"], "list", cache)
    second, nowhere, size, ambiguous = caught.value.problems
    assert "is the second one of task kind" in second and "nowhere.csv is no file" in nowhere
    assert f"size={good} is no file" in size and "with a task of kind, labels" in size and "would be split" in ambiguous


IDENTIFIERS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(IDENTIFIERS, min_size=1, max_size=8, unique=True), st.randoms())
def test_any_ids_in_any_order_are_written_as_the_sample_has_them(tmp_path, ids, numbers):
    shuffled = numbers.sample(ids, len(ids))
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([["key", "kind"], *([identifier, "?"] for identifier in shuffled)])
    path = tmp_path / "sample.csv"
    path.write_bytes(stream.getvalue().encode())
    (submission,) = plan_submissions(expected(KIND, ids=ids), [str(path)], "columns", TableCache(tmp_path / "cache"))
    classes = [KIND.classes[row % 2] for row in range(len(ids))]
    answers = pd.DataFrame({"filename": pd.Series(ids, dtype=object), "kind": classes})
    result = format_csv(submission, answers, ["kind"], raw=True)
    of_id = dict(zip(ids, classes, strict=True))
    rows = list(csv.reader(io.StringIO(result, newline=""), strict=True))
    assert rows == [["key", "kind"], *([identifier, of_id[identifier]] for identifier in shuffled)]
