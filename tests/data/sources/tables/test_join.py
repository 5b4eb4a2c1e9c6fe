"""Tables that are joined by image, as attributes and splits are: every row has its partner, or the config says so."""

from __future__ import annotations

import pandas as pd
import pytest
from sources_drawn import draw, embedded, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config import read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset

SPLIT_TABLE = {"table": "list_partition.txt", "column_names": ("image", "partition")}


def _celeba(root):
    for image in range(4):
        draw(root / "img" / f"{image}.png")
    write(root / "list_attr.txt", "4\nBald Young\n0.png 1 -1\n1.png -1 1\n2.png 1 1\n3.png -1 -1\n")
    write(root / "list_partition.txt", "3.png 2\n2.png 1\n0.png 0\n1.png 0\n")
    return root


def _tables(root, attributes: str = "image,a\n0.png,1\n1.png,0\n", categories: str = "image,kind\n1.png,y\n0.png,x\n"):
    draw(root / "0.png")
    draw(root / "1.png")
    write(root / "categories.csv", categories)
    write(root / "train.csv", attributes)
    return root


def test_the_lists_of_celeba_are_read_as_they_are(tmp_path):
    source = load_source(_celeba(tmp_path), join=[SPLIT_TABLE])
    assert {name: split["id"][:] for name, split in source.splits.items()} == {
        "train": ["0.png", "1.png"],
        "validation": ["2.png"],
        "test": ["3.png"],
    }
    assert source.splits["train"].column_names == ["id", "image", "Bald", "Young"]
    assert source.splits["test"]["Bald"][:] == ["-1"]
    assert source.notes[-1].startswith("list_attr.txt: its column 'partition' says the split of each row: 2 train, 1 v")
    assert (
        "list_attr.txt: its joined table list_partition.txt: its columns are separated by spaces (data.delimiter)"
        in (source.notes)
    )
    message = problems(tmp_path, join=["list_partition.txt"])
    assert "list_partition.txt, line 1: it names an image, '3.png', in place of the columns" in message
    assert "those of a joined table as its column_names" in message


def test_rows_are_joined_by_the_names_of_the_images_in_all_splits(tmp_path):
    _tables(tmp_path, categories="Filename,kind\n2.png,z\n1.png,y\n0.png,x\n")
    draw(tmp_path / "2.png")
    write(tmp_path / "test.csv", "image\n2.png\n")
    source = load_source(tmp_path, join=["categories.csv"])
    assert source.splits["train"]["kind"][:] == ["x", "y"] and source.splits["test"]["kind"][:] == ["z"]
    assert not source.notes
    write(tmp_path / "categories.csv", "image,kind\n2.png,z\n1.png,y\n0.png,w\n")
    assert load_source(tmp_path, join=["categories.csv"]).fingerprint != source.fingerprint


def test_a_column_of_both_tables_may_be_named_as_the_key(tmp_path):
    _tables(tmp_path, "image,item\n0.png,7\n1.png,7\n", "item,price,image\n7,9.5,7.png\n")
    with pytest.raises(
        UserError, match=r"column 'image' holds '0.png', and that of .*categories.csv '7.png'. Remove or"
    ):
        load_source(tmp_path, join=[{"table": "categories.csv", "on": "item"}])
    write(tmp_path / "categories.csv", "item,price\n7,9.5\n")
    source = load_source(tmp_path, join=[{"table": "categories.csv", "on": "item"}])
    assert source.splits["train"]["price"][:] == ["9.5", "9.5"] and source.splits["train"]["item"][:] == ["7", "7"]
    message = problems(tmp_path, join=[{"table": "categories.csv", "on": "itme"}])
    assert "has no column 'itme'; it has: item, price; did you mean 'item'? Name a column of both" in message


def test_pictures_in_the_table_are_joined_by_their_ids(tmp_path):
    embedded("train").remove_columns("label").to_parquet(tmp_path / "train.parquet")
    pd.DataFrame({"id": embedded("train")["id"][::-1], "kind": list("abcd")}).to_csv(tmp_path / "k.csv", index=False)
    assert load_source(tmp_path, join=["k.csv"]).splits["train"]["kind"][:] == list("dcba")


def test_rows_without_a_partner_are_an_error_unless_the_config_says_what_becomes_of_them(tmp_path):
    _tables(tmp_path, categories="image,kind\n1.png,y\n5.png,x\n6.png,x\n")
    message = problems(tmp_path, join=["categories.csv"])
    assert (
        f"{tmp_path / 'train.csv'}: 1 rows have no partner in {tmp_path / 'categories.csv'}, such as line 2" in message
    )
    assert "categories.csv: 2 rows have no partner in" in message and "such as '5.png', '6.png'" in message
    assert '"how": "inner"' in message
    inner = load_source(tmp_path, join=[{"table": "categories.csv", "how": "inner"}])
    assert inner.splits["train"]["id"][:] == ["1.png"] and inner.origins["train"].lines_of([0]) == [3]
    assert inner.notes == (
        "train.csv: its joined table categories.csv: 1 rows without a partner in it are left out, and 2 of its rows "
        "are not used",
    )
    left = load_source(tmp_path, join=[{"table": "categories.csv", "how": "left"}])
    assert left.splits["train"]["kind"][:] == [None, "y"] and "have blank cells" in left.notes[0]


@pytest.mark.parametrize(
    ("categories", "rule"),
    [
        (
            "image,kind\n0.png,x\n1.png,y\n0.png,z\n",
            "line 4: '0.png' (column 'image') stands there before. Keep one of",
        ),
        ("image,kind\n0.png,x\n1.png,y\n,z\n", "line 4: its cell of 'image' is blank. Fill it in"),
        ("image,kind,a\n0.png,x,1\n1.png,y,1\n", "train.csv, line 3: column 'a' holds '0', and that of"),
    ],
)
def test_doubled_and_blank_keys_and_contradictions_are_errors(categories, rule, tmp_path):
    assert rule in problems(_tables(tmp_path, categories=categories), join=["categories.csv"])


def test_a_column_that_both_tables_hold_alike_is_one_column(tmp_path):
    _tables(tmp_path, "image,a,b\n0.png,1,\n1.png,0,1\n", "image,a,b\n0.png,1,\n1.png,0,1\n")
    assert load_source(tmp_path, join=["categories.csv"]).splits["train"]["b"][:] == [None, "1"]


def test_a_wrong_cell_is_named_with_the_file_and_line_that_it_stands_in(tmp_path):
    _tables(tmp_path, categories="image,price,set\n1.png,cheap,train\n0.png,3,vla\n")
    message = problems(tmp_path, join=["categories.csv"])
    assert f"{tmp_path / 'categories.csv'}, line 3: 'vla' (column 'set') is no split" in message
    config = read_config(
        "configs/quickstart.json",
        {
            "data.source": str(tmp_path),
            "data.join": ["categories.csv"],
            "data.split_column": "",
            "tasks": {"price": {"kind": "regression", "columns": ["price"]}},
            "data.cache_dir": str(tmp_path / "cache"),
        },
    )
    with pytest.raises(UserError) as error:
        read_dataset(config)
    assert f"{tmp_path / 'categories.csv'}, column 'price': a cell must be a finite number" in str(error.value)
    assert "found line 2 (id 1.png): 'cheap'" in str(error.value)


def test_a_join_is_checked_with_the_config(tmp_path):
    assert "data.join: 'gone.csv' is no file (looked at" in problems(_tables(tmp_path), join=["gone.csv"])
    given = [{"table": "a.txt", "column_names": ["image", "a"]}, "b.csv"]
    config = read_config("configs/quickstart.json", {"data.join": given})
    assert [join.table for join in config.data.join] == ["a.txt", "b.csv"]
    assert config.data.join[0].column_names == ("image", "a")
    assert type(config).model_validate_json(config.model_dump_json(by_alias=True)) == config
    with pytest.raises(UserError, match=r"data\.join\.0\.tabel: no such key"):
        read_config("configs/quickstart.json", {"data.join": [{"tabel": "a.csv"}]})
    with pytest.raises(UserError, match=r"data\.join"):
        read_config("configs/quickstart.json", {"data.join": "a.csv"})
