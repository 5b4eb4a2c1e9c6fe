"""Cells as people write them: each column is learned as its owner means it, or refused with the fix."""

import pytest
from everyday import ATTRIBUTE, CATEGORY, NAMES, Folder, check, text
from sources_drawn import quiet_caches  # noqa: F401

TRAIN = "data/train.csv"


def cells(*values: str) -> list[str]:
    """A column of 24 cells that repeats these."""
    return [values[n % len(values)] for n in range(len(NAMES))]


def tags(*values: str, **task: object) -> dict:
    """Table and tasks of one column of lists."""
    return {
        "files": {TRAIN: text(without="a b", tags=cells(*values))},
        "tasks": {**CATEGORY, "attribute": {"kind": "multilabel", "column": "tags", **task}},
    }


def attribute(**task: object) -> dict:
    return {**CATEGORY, "attribute": {"kind": "multilabel", **task}}


YES_AND_NO = [
    Folder("True and FALSE", {TRAIN: text(a=cells("False", "True"), b=cells("FALSE", "TRUE"))}),
    Folder("t and f", {TRAIN: text(a=cells("t", "f"))}),
    Folder("Yes and no", {TRAIN: text(a=cells("Yes", "no"))}),
    Folder("Y and N", {TRAIN: text(a=cells("Y", "N"))}),
    Folder("1.0 and 0.0", {TRAIN: text(a=cells("1.0", "0.0"))}),
    Folder("0.00 and 1.00", {TRAIN: text(a=cells("0.00", "1.00"))}),
    Folder("-1 and 1", {TRAIN: text(a=cells("-1", "1"), b=cells("1", "-1"))}, log=["-1"]),
    Folder(
        "-1, 0 and 1", {TRAIN: text(a=cells("-1", "0", "1"))}, tasks=attribute(columns=["a", "b"]), error=['"values"']
    ),
    Folder(
        "-1, 0 and 1, said",
        {TRAIN: text(a=cells("-1", "0", "1"))},
        tasks=attribute(columns=["a", "b"], values={"-1": None}),
    ),
    Folder("missing in many words", {TRAIN: text(a=cells("1", "NaN", "0", "NA", "null", "None", "?", "n/a", ""))}),
    Folder(
        "a tick list",
        {TRAIN: text(a=cells("x", ""), b=cells("", "x"))},
        tasks=attribute(columns=["a", "b"], values={"x": 1, "": 0}),
    ),
    Folder("a column of other words", {TRAIN: text(c=cells("red", "blue"))}, log=["not c", "'red'"]),
    Folder("2 among 0 and 1", {TRAIN: text(a=cells("0", "1", "2"))}, labels=["b"], log=["not a", "'2'"]),
    Folder(
        "2 in a column that is named",
        {TRAIN: text(a=cells("0", "2"))},
        tasks=attribute(columns=["a"]),
        error=["line 3", "'2'"],
    ),
]

LISTS = [
    Folder("lists of Python", **tags("\"['long dress']\"", "\"['red', 'long dress']\""), labels=["long dress", "red"]),
    Folder("lists of JSON", **tags('"[""long dress""]"', '"[""red"", ""long dress""]"'), labels=["long dress", "red"]),
    Folder("an empty list", **tags("[]", "['red']"), labels=["red"]),
    Folder("a broken list", **tags("['red'", "['blue']"), error=["line 2", "['red'"]),
    Folder(
        "semicolons", **tags("red;long dress", "blue"), labels=["blue", "long dress", "red"], log=["separated by ';'"]
    ),
    Folder("pipes", **tags("red|long dress", "blue"), labels=["blue", "long dress", "red"]),
    Folder("commas", **tags('"red,blue"', "blue"), labels=["blue", "red"]),
    Folder("spaces", **tags("red blue", "blue"), labels=["blue", "red"]),
    Folder("two readings", **tags('"red,blue;dark"', '"red;blue,dark"'), error=["delimiter"]),
    Folder("two readings, said", **tags('"red,blue;dark"', "red", delimiter=";"), labels=["dark", "red", "red,blue"]),
]

LABELS = {"attribute": {"kind": "multilabel", "column": "label"}}
LONG_ROWS = "".join(f"{name},{label}\n" for n, name in enumerate(NAMES) for label in ("red", ["blue", "green"][n % 2]))

FORMS = [
    Folder(
        "a row for each label",
        {TRAIN: f"filename,label\n{LONG_ROWS}"},
        tasks=LABELS,
        labels=["blue", "green", "red"],
        log=["24 images of 48 rows"],
    ),
    Folder(
        "a row for each label, of several words",
        {TRAIN: f"filename,label\n{LONG_ROWS}".replace("red", "dark red")},
        tasks=LABELS,
        error=["line 3", "data.rows"],
    ),
    Folder(
        "a column of 0 and 1 for each class",
        {TRAIN: text(x=cells("1", "0"), y=cells("0", "1"))},
        tasks={"category": {"kind": "multiclass", "columns": ["x", "y"]}},
        classes=["x", "y"],
    ),
    Folder(
        "two classes in a row",
        {TRAIN: text(x=cells("1", "0"), y=cells("1"))},
        tasks={"category": {"kind": "multiclass", "columns": ["x", "y"]}},
        error=["line 2", "x and y"],
    ),
    Folder(
        "a file of classes by index",
        {TRAIN: text(category=cells("2", "5")), "data/names.csv": "index,name\n5,dog\n2,cat\n"},
        tasks={"category": {**CATEGORY["category"], "classes": "names.csv"}, **ATTRIBUTE},
        classes=["cat", "dog"],
    ),
    Folder(
        "placeholders in the test table",
        {TRAIN: text(), "data/test.csv": text(category=cells("?"), a=cells("0.5"))},
        rows={"train": 24, "test": 24},
        log=["test: its labels of category, attribute are not read"],
    ),
    Folder(
        "prices as classes",
        {TRAIN: text(category=[f"{n}.5" for n in range(24)])},
        error=["24 classes", '"kind": "regression"'],
    ),
    Folder(
        "separators of thousands",
        {TRAIN: text(price=cells("1 250", "990"))},
        tasks={**CATEGORY, "price": {"kind": "regression", "columns": ["price"]}},
        error=["line 2", "Write 1250.5 for"],
    ),
]

CLASSES = [
    Folder(
        "floats",
        {TRAIN: text(category=cells("1.0", "2.0")), "data/val.csv": text(category=cells("1", "2"))},
        rows={"train": 24, "validation": 24},
        classes=["1", "2"],
    ),
    Folder("numbers with zeros in front", {TRAIN: text(category=cells("001", "1"))}, classes=["001", "1"]),
    Folder("a class named NA", {TRAIN: text(category=cells("NA", "EU"))}, classes=["EU", "NA"]),
    Folder(
        "a class missing, said",
        {TRAIN: text(category=cells("NA", "EU"))},
        tasks={"category": {**CATEGORY["category"], "values": {"NA": None}}, **ATTRIBUTE},
        classes=["EU"],
    ),
    Folder(
        "an order of the classes",
        {TRAIN: text()},
        tasks={"category": {**CATEGORY["category"], "classes": ["z", "y", "x"]}, **ATTRIBUTE},
        classes=["z", "y", "x"],
    ),
    Folder(
        "a class that is not listed",
        {TRAIN: text()},
        tasks={"category": {**CATEGORY["category"], "classes": ["x", "y"]}, **ATTRIBUTE},
        error=["line 4", "'z'"],
    ),
    Folder(
        "a class that validation alone has",
        {TRAIN: text(), "data/val.csv": text(category=cells("x", "w"))},
        error=["val.csv", "line 3", "'w'"],
    ),
]


@pytest.mark.parametrize("folder", [*YES_AND_NO, *LISTS, *FORMS, *CLASSES], ids=lambda folder: folder.name)
def test_a_column_is_learned_as_it_is_meant_or_refused_with_the_fix(folder, tmp_path):
    check(folder, tmp_path)
