"""Tables and folders as people have them: each is read as its owner means it, or refused with the fix."""

import pytest
from everyday import NAMES, Folder, check, decomposed, text
from sources_drawn import quiet_caches  # noqa: F401

TRAIN = "data/train.csv"
CAPITALS = [name.replace("png", "PNG") for name in NAMES]
SPLITS = ["test", "val", "train", "train", "train", "train"] * 4
NUMBERS = {"train": "0", "val": "1", "test": "2"}
PARTS = {"train": 16, "validation": 4, "test": 4}


ACCENTS = text(category=["café"] * 24)
HALVES = [f"{'one' if n < 12 else 'two'}/{name}" for n, name in enumerate(NAMES)]


def in_folder(folder: str, names: list[str] = NAMES) -> list[str]:
    return [f"{folder}/{name}" for name in names]


TABLES = [
    Folder("commas", {TRAIN: text()}),
    Folder("semicolons", {TRAIN: text(";")}, log=["train.csv: its columns are separated by semicolons"]),
    Folder("tabs", {TRAIN: text("\t")}, log=["train.csv: its columns are separated by tabs"]),
    Folder("pipes", {TRAIN: text("|")}, log=["train.csv: its columns are separated by pipes"]),
    Folder("spaces behind the commas", {TRAIN: text(", ")}),
    Folder("line ends of Windows", {TRAIN: text().replace("\n", "\r\n")}),
    Folder("line ends of old Macs", {TRAIN: text().replace("\n", "\r")}),
    Folder("blank lines at the end", {TRAIN: text() + "\n\n"}),
    Folder("no line end at the end", {TRAIN: text().rstrip()}),
    Folder("UTF-8 with a byte order mark", {TRAIN: text().encode("utf-8-sig")}),
    Folder("Unicode text of a spreadsheet", {TRAIN: text("\t").encode("utf-16")}, log=["UTF-16", "tabs"]),
    Folder(
        "accents of Windows", {TRAIN: ACCENTS.encode("cp1252")}, error=["line 2: byte 0xe9", "--data.encoding cp1252"]
    ),
    Folder(
        "accents of Windows, said",
        {TRAIN: ACCENTS.encode("cp1252")},
        data={"encoding": "cp1252"},
        classes=("café",),
    ),
    Folder("a semicolon in a cell", {TRAIN: text(a=["1;0"] * 24)}, labels=("b",), log=["not a"]),
    Folder("two delimiters that fit", {TRAIN: "filename,x;category\n000.png,1;2\n"}, error=["--data.delimiter"]),
    Folder("an index of pandas", {TRAIN: text(first={"": list(map(str, range(24)))})}, log=["has no name and counts"]),
    Folder("an index from 1", {TRAIN: text(first={"": list(map(str, range(1, 25)))})}, log=["has no name and counts"]),
    Folder("a nameless column that is no index", {TRAIN: text(first={"": NAMES})}, error=["column 1 has no name"]),
    Folder("NUL in the header", {TRAIN: text().replace("filename", "file\0name")}, error=["line 1: a NUL character"]),
    Folder("NUL in a cell", {TRAIN: text().replace("x", "\0", 1)}, error=["line 2: a NUL character"]),
    Folder("a column that stands twice", {TRAIN: text().replace("b\n", "a\n", 1)}, error=["column 'a' stands twice"]),
    Folder("a row that is too long", {TRAIN: text() + "1,2,3,4,5\n"}, error=["line 26: 5 cells", "4 columns"]),
    Folder("an open quote", {TRAIN: text().replace("x", '"x', 1)}, error=["line 2"]),
    Folder("an empty table", {TRAIN: ""}, error=["train.csv", "empty"]),
    Folder("a header alone", {TRAIN: text(rows=slice(0))}, error=["a header but no rows"]),
    Folder(
        "a table of another name", {"data/labels.csv": text()}, log=["labels.csv: it is read as the training table"]
    ),
    Folder("a text table of another name", {"data/list.txt": text("\t")}, log=["list.txt: it is read as", "tabs"]),
    Folder("the table's own path", {"data/labels.csv": text()}, data={"source": "{root}/data/labels.csv"}),
]

SPLIT_COLUMNS = [
    Folder("split", {TRAIN: text(split=SPLITS)}, rows=PARTS, log=["'split'"]),
    Folder("Set, with valid", {TRAIN: text(Set=[s.replace("val", "valid") for s in SPLITS])}, rows=PARTS),
    Folder("partition, with 0, 1 and 2", {TRAIN: text(partition=[NUMBERS[s] for s in SPLITS])}, rows=PARTS),
    Folder(
        "is_valid", {TRAIN: text(is_valid=[str(s != "train") for s in SPLITS])}, rows={"train": 16, "validation": 8}
    ),
    Folder("another name, said", {TRAIN: text(part=SPLITS)}, data={"split_column": "part"}, rows=PARTS),
    Folder("other words", {TRAIN: text(split=["left", "right"] * 12)}, error=["'split'", "left"]),
    Folder("other words, which are no splits", {TRAIN: text(split=["left", "right"] * 12)}, data={"split_column": ""}),
    Folder(
        "a split column beside a second table",
        {TRAIN: text(split=SPLITS), "data/val.csv": text(split=SPLITS)},
        error=["val.csv"],
    ),
]

PLACES = [
    Folder("folder train", {TRAIN: text()}, in_folder("data/train")),
    Folder("folder images", {TRAIN: text()}, in_folder("data/images")),
    Folder("any one folder", {"data/labels.csv": text()}, in_folder("data/photos"), log=["labels.csv"]),
    Folder(
        "backslashes", {TRAIN: text(filename=["images\\" + n for n in NAMES])}, in_folder("data/images"), log=["24"]
    ),
    Folder("another case of the suffix", {TRAIN: text()}, in_folder("data", CAPITALS), log=["000.PNG", "24"]),
    Folder(
        "two candidates", {TRAIN: text()}, [*in_folder("data", CAPITALS), "data/000.Png"], error=["000.PNG", "000.Png"]
    ),
    Folder("no suffix in the table", {TRAIN: text(filename=[n[:3] for n in NAMES])}, log=["24"]),
    Folder(
        "names of a Mac",
        {TRAIN: text(filename=[decomposed(f"é{n}") for n in NAMES])},
        [f"data/é{n}" for n in NAMES],
        log=["24"],
    ),
    Folder(
        "exact names alone",
        {TRAIN: text()},
        in_folder("data", CAPITALS),
        data={"image_names": "exact"},
        error=["000.png"],
    ),
    Folder("an image that is not there", {TRAIN: text()}, in_folder("data", NAMES[1:]), error=["line 2", "000.png"]),
    Folder("a folder that is not named", {TRAIN: text()}, in_folder("photos"), error=["000.png"]),
    Folder("a folder beside it", {TRAIN: text()}, in_folder("photos"), data={"image_dirs": ["../photos"]}),
    Folder("an absolute folder", {TRAIN: text()}, in_folder("photos"), data={"image_dirs": ["{root}/photos"]}),
    Folder("two folders", {TRAIN: text()}, HALVES, data={"image_dirs": ["../one", "../two"]}),
    Folder(
        "a folder behind a link",
        {TRAIN: text()},
        in_folder("photos"),
        {"data/link": "photos"},
        data={"image_dirs": ["link"]},
    ),
    Folder(
        "a folder that is not there",
        {TRAIN: text()},
        data={"image_dirs": ["../photos"]},
        error=["'../photos' is no folder"],
    ),
    Folder(
        "a link out of the folder",
        {TRAIN: text(filename=in_folder("link"))},
        in_folder("photos"),
        {"data/link": "photos"},
        error=["link/000.png"],
    ),
    Folder(
        "a way out of the folder",
        {TRAIN: text(filename=in_folder("../photos"))},
        in_folder("photos"),
        error=["../photos/000.png"],
    ),
]


@pytest.mark.parametrize("folder", [*TABLES, *SPLIT_COLUMNS, *PLACES], ids=lambda folder: folder.name)
def test_a_table_is_read_as_it_is_meant_or_refused_with_the_fix(folder, tmp_path):
    check(folder, tmp_path)
