"""Folders of several tables and forms of labels as people have them: read as meant, or refused with the fix."""

from io import BytesIO

import pandas as pd
import pytest
from everyday import ATTRIBUTE, CATEGORY, COLUMNS, NAMES, Folder, check, text
from sources_drawn import quiet_caches  # noqa: F401

TRAIN = "data/train.csv"
SPLITS = ["0", "0", "0", "0", "1", "2"] * 4
PARTS = {"train": 16, "validation": 4, "test": 4}
LABELS = ["Arched", "Bald", "Smiling"]


def in_folder(folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in NAMES]


def celeba() -> dict[str, str]:
    """Its list of attributes, with a count, a header without the first name and runs of spaces; and its partition."""
    signs = [" ".join(f"{1 if (n >> bit) % 2 else -1:2d}" for bit in range(3)) for n in range(24)]
    attributes = "".join(f"{name} {row}\n" for name, row in zip(NAMES, signs, strict=True))
    return {
        "data/list_attr.txt": f"24\n{' '.join(LABELS)}\n{attributes}",
        "data/list_partition.txt": "".join(f"{name} {part}\n" for name, part in zip(NAMES, SPLITS, strict=True)),
    }


def written(method: str, **options: object) -> bytes:
    """The garments as a file that pandas writes."""
    content = BytesIO()
    getattr(pd.DataFrame(COLUMNS), method)(content, **options)
    return content.getvalue()


def long(*labels: str) -> str:
    """A row for each label of an image."""
    return "filename,label\n" + "".join(f"{name},{label}\n" for name in NAMES for label in labels)


def category(**task: object) -> dict:
    return {"category": {"kind": "multiclass", "column": "category", **task}, **ATTRIBUTE}


LAYOUTS = [
    Folder(
        "CelebA's lists",
        celeba(),
        in_folder("data/img"),
        tasks=ATTRIBUTE,
        data={
            "source": "{root}/data/list_attr.txt",
            "image_dirs": ["img"],
            "join": [{"table": "list_partition.txt", "column_names": ["image", "partition"]}],
        },
        rows=PARTS,
        labels=LABELS,
        log=["separated by spaces", "-1 is read as 0", "16 train, 4 validation, 4 test"],
    ),
    Folder(
        "labels and splits in two tables",
        {TRAIN: text(), "data/parts.csv": text(without="category a b", partition=SPLITS)},
        data={"join": ["parts.csv"]},
        rows=PARTS,
    ),
    Folder(
        "a joined table that lacks rows",
        {TRAIN: text(), "data/parts.csv": text(without="category a b", rows=slice(20), partition=SPLITS)},
        data={"join": ["parts.csv"]},
        error=["4 rows have no partner", "'020.png'", '"how": "inner"'],
    ),
    Folder(
        "tables of any names",
        {"data/one.csv": text(rows=slice(16)), "data/two.csv": text(rows=slice(16, None))},
        data={"tables": {"train": "one.csv", "val": "two.csv"}},
        rows={"train": 16, "validation": 8},
    ),
    Folder(
        "a table beside Kaggle's folder of images",
        {"working/labels.csv": text()},
        in_folder("input/images"),
        data={"source": "{root}/input", "tables": {"train": "{root}/working/labels.csv"}},
    ),
    Folder("tables that are not named", {"data/one.csv": text(), "data/two.csv": text()}, error=["one.csv", "two.csv"]),
    Folder("a folder in the folder", {"data/unzipped/train.csv": text()}, in_folder("data/unzipped"), log=["unzipped"]),
    Folder(
        "two folders in the folder",
        {"data/first/train.csv": text(), "data/second/train.csv": text()},
        [*in_folder("data/first"), *in_folder("data/second")],
        error=["first", "second"],
    ),
    Folder("a spreadsheet", {"data/labels.xlsx": written("to_excel", index=False)}, log=["labels.xlsx"]),
    Folder("JSON records", {"data/labels.json": written("to_json", orient="records")}, log=["labels.json"]),
    Folder("JSON lines", {"data/labels.jsonl": written("to_json", orient="records", lines=True)}, log=["labels.jsonl"]),
    Folder("Parquet", {"data/labels.parquet": written("to_parquet", index=False)}, log=["labels.parquet"]),
    Folder(
        "class folders beside what systems leave behind",
        {"data/@eaDir/thumb.txt": "", "data/x/.DS_Store": "", "data/__MACOSX/x/._000.png": ""},
        [f"data/{'xyz'[n % 3]}/{name}" for n, name in enumerate(NAMES)] + ["data/@eaDir/000.png"],
        tasks={"category": {"kind": "multiclass", "column": "label"}},
    ),
    Folder(
        "class folders beside a table of the images",
        {"data/labels.csv": text(filename=["gone.png"] * 24)},
        [f"data/{'xyz'[n % 3]}/{name}" for n, name in enumerate(NAMES)],
        tasks={"category": {"kind": "multiclass", "column": "label"}},
        error=["labels.csv", "data.tables"],
    ),
]

FORMS = [
    Folder(
        "a row for each label",
        {TRAIN: long("red", "blue")},
        tasks={"attribute": {"kind": "multilabel", "column": "label"}},
        labels=["blue", "red"],
        log=["24 images of 48 rows"],
    ),
    Folder(
        "a column for each class",
        {TRAIN: text(without="category a b", **{c: [str(int(k == c)) for k in COLUMNS["category"]] for c in "xyz"})},
        tasks={"category": {"kind": "multiclass", "columns": ["x", "y", "z"]}},
    ),
    Folder(
        "two classes in a row",
        {TRAIN: text()},
        tasks={"category": {"kind": "multiclass", "columns": ["a", "b"]}},
        error=["line 5 (id 003.png): a and b", "choose kind multilabel"],
    ),
    Folder(
        "names of classes in a file",
        {TRAIN: text(), "data/classes.txt": "z\ny\nx\n"},
        tasks=category(classes="classes.txt"),
        classes=["z", "y", "x"],
    ),
    Folder(
        "places in a file of names",
        {TRAIN: text(category=[str(n % 3) for n in range(24)]), "data/classes.txt": "shirt\ndress\ncoat\n"},
        tasks=category(classes="classes.txt"),
        classes=["shirt", "dress", "coat"],
        log=["category: the cells 0 to 2 are the places of the classes in their list"],
    ),
    Folder(
        "places in a list of names, from 1",
        {TRAIN: text(category=[str(n % 3 + 1) for n in range(24)])},
        tasks=category(classes=["shirt", "dress", "coat"]),
        classes=["shirt", "dress", "coat"],
        log=["category: the cells 1 to 3 are the places"],
    ),
    Folder(
        "places in a list of names, from who knows where",
        {TRAIN: text(category=[str(n % 2 + 1) for n in range(24)])},
        tasks=category(classes=["shirt", "dress", "coat"]),
        error=["none of the 3 classes", "'1'"],
    ),
    Folder(
        "names of classes by index",
        {TRAIN: text(category=[str(n % 2 * 7) for n in range(24)])},
        tasks=category(classes={"0": "shirt", "7": "dress"}),
        classes=["shirt", "dress"],
    ),
    Folder(
        "decimals as classes",
        {TRAIN: text(category=[f"{n}.{n + 1}" for n in range(24)])},
        error=["category", "regression"],
    ),
    Folder("a column in another case", {TRAIN: text().replace("category", "Category ")}, log=["'Category'"]),
    Folder(
        "a column by a wrong name",
        {TRAIN: text()},
        tasks={"category": {"kind": "multiclass", "column": "categry"}},
        error=["categry", "did you mean", "category"],
    ),
    Folder(
        "a column named twice",
        {TRAIN: text()},
        tasks={**CATEGORY, "attribute": {"kind": "multilabel", "columns": ["a", "a"]}},
        error=["tasks.attribute.columns"],
    ),
    Folder(
        "separators of thousands",
        {TRAIN: text(price=['"1,250"'] * 24)},
        tasks={**CATEGORY, "price": {"kind": "regression", "columns": ["price"]}},
        error=["line 2", "1,250", "1250"],
    ),
    Folder(
        "placeholders in the test table",
        {TRAIN: text(), "data/test.csv": text(category=["?"] * 24, a=["-1"] * 24)},
        rows={"train": 24, "test": 24},
        log=["test: its labels of category, attribute are not read"],
    ),
    Folder(
        "another name for the images of the test table",
        {TRAIN: text(), "data/test.csv": text(without="filename category a b", id=NAMES)},
        rows={"train": 24, "test": 24},
        log=["'id'"],
    ),
    Folder(
        "garments that stay together",
        {TRAIN: text(garment=[f"g{n // 4}" for n in range(24)])},
        data={"group_column": "garment", "validation_fraction": 0.3},
    ),
    Folder(
        "prices",
        {TRAIN: text(price=[str(250000 + n) for n in range(24)])},
        tasks={**CATEGORY, "price": {"kind": "regression", "columns": ["price"]}},
        log=["price: learns the standardised value of price (mean 250"],
    ),
]


@pytest.mark.parametrize("folder", [*LAYOUTS, *FORMS], ids=lambda folder: folder.name)
def test_a_folder_is_read_as_it_is_meant_or_refused_with_the_fix(folder, tmp_path):
    check(folder, tmp_path)


def test_a_thousand_label_columns_are_read(tmp_path):
    labels = {f"l{n}": [str(n * k % 7 % 2) for k in range(24)] for n in range(1000)}
    folder = Folder("wide", {TRAIN: text(without="a b", **labels)}, labels=list(labels))
    check(folder, tmp_path)
