"""Tables between runs of spaces, as the lists of CelebA: found or named, with a count of the rows, without a header."""

from __future__ import annotations

import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401

LIST = "3\nArched Bald \n0.png  1 -1\n1.png -1 -1\r\n\n2.png -1  1  \n"
SPACES = "list_attr.txt: its columns are separated by spaces (data.delimiter)"
NAMELESS = "list_attr.txt: its header lacks the name of the first column, which is called 'image'"
PLACE = "list_attr.txt: its images are looked for in img/, the only folder with images (data.image_dirs)"


def _table(root, text: str, name: str = "list_attr.txt"):
    for image in ("0.png", "1.png", "2.png"):
        draw(root / "img" / image)
    return write(root / name, text)


def test_a_list_with_a_count_and_a_header_that_lacks_the_first_name_is_read(tmp_path):
    file = _table(tmp_path, LIST)
    source = load_source(file)
    assert source.splits["train"].to_dict() | {"image": None} == {
        "id": ["0.png", "1.png", "2.png"],
        "image": None,
        "Arched": ["1", "-1", "-1"],
        "Bald": ["-1", "-1", "1"],
    }
    assert source.notes == (SPACES, NAMELESS, PLACE) and source.origins["train"].lines_of([0, 2]) == [3, 6]
    assert load_source(file, delimiter=" ").notes == (NAMELESS, PLACE)


def test_a_list_without_a_header_is_read_by_the_names_of_the_config(tmp_path):
    file = _table(tmp_path, "0.png 0\n1.png 1\n2.png 2\n")
    source = load_source(file, column_names=("image", "partition"))
    assert {name: split["id"][:] for name, split in source.splits.items()} == {
        "train": ["0.png"],
        "validation": ["1.png"],
        "test": ["2.png"],
    }
    assert "data.column_names" in problems(file) and "line 1: it names an image, '0.png', in place of" in problems(file)
    assert "line 1: 2 cells, but the header has 3 columns" in problems(
        file, column_names=("image", "a", "b"), delimiter=" "
    )
    csv = _table(tmp_path, "0.png;x\n1.png;y\n", "list.csv")
    assert load_source(csv, column_names=("image", "label")).splits["train"]["label"][:] == ["x", "y"]
    write(csv, "0.png;x\n1.png;y\n".replace(";", ","))
    assert load_source(csv, column_names=("image", "kind")).splits["train"]["kind"][:] == ["x", "y"]


def test_quotes_keep_spaces_and_a_first_column_that_counts_the_rows_is_left_out(tmp_path):
    file = _table(tmp_path, '"image" "label"\n"1" "0.png" "long  ""dress"\n"2" "1.png" ""\n'.replace('g  ""d', "g  d"))
    source = load_source(file)  # as R's write.table writes it
    assert source.splits["train"]["label"][:] == ["long  dress", None]
    assert (
        "list_attr.txt: its first column has no name and counts the rows, and is not used (data.index_column)"
        in source.notes
    )


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("image name,label\n0.png,x\n1.png,y\n", "list.txt", "label"),  # commas come first
        ("image;long name\n0.png;a b\n", "list.txt", "long name"),
        ("image,a b\n0.png,c d\n", "train.csv", "a b"),
    ],
)
def test_spaces_within_cells_are_no_delimiter(text, name, column, tmp_path):
    assert column in load_source(_table(tmp_path, text, name)).splits["train"].column_names


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (LIST.replace("3\n", "4\n", 1), "line 1: it says that there are 4 rows, but there are 3"),
        (LIST.replace("-1 -1\r", "-1\r"), "line 4: 2 cells, but the header has 3 columns. Add or remove spaces"),
        (LIST.replace("1.png", '"1.png'), "line 4: unexpected end of data. Close or double the quotes of this row"),
    ],
)
def test_a_list_that_is_cut_or_broken_is_an_error_with_its_line(text, rule, tmp_path):
    assert rule in problems(_table(tmp_path, text), delimiter=" ")
