"""Which columns are images and ids, and what becomes of the others."""

from __future__ import annotations

import datasets
from sources_drawn import embedded, kaggle, load_source, picture, problems, quiet_caches  # noqa: F401


def test_an_ambiguous_name_without_suffix_is_an_error(tmp_path):
    assert "several files fit: 7.jpg, 7.png" in problems(kaggle(tmp_path, "id\n7\n", "7.jpg", "7.png"))


def test_the_image_may_be_named_by_the_id_without_suffix_in_any_case(tmp_path):
    loaded = load_source(str(kaggle(tmp_path, "id,label\n7,x\n", "train/7.JPG")))
    assert (loaded.image_column, loaded.id_column, loaded.splits["train"]["id"][:]) == ("id", "id", ["7"])


def test_columns_are_found_by_usual_name_else_first_and_can_be_configured(tmp_path):
    kaggle(tmp_path, "ImageId,label,other\na.png,x,1\n", "a.png")
    first = load_source(str(tmp_path))
    assert (first.image_column, first.id_column) == ("ImageId", "ImageId")
    other = load_source(str(tmp_path), id_column="other")
    assert other.splits["train"][0]["id"] == "1" and other.splits["train"].column_names == ["id", "image", "label"]
    message = problems(tmp_path, image_column="pic", id_column="key")
    assert "data.image_column" in message and "data.id_column" in message and "ImageId, label, other" in message


def test_a_label_called_id_or_image_is_kept_under_another_name(tmp_path, caplog):
    kaggle(tmp_path, "path,id,image\na.png,x,y\n", "a.png")
    row = load_source(str(tmp_path), image_column="path", id_column="path").splits["train"][0]
    assert (row["id"], row["source_id"], row["source_image"]) == ("a.png", "x", "y")
    assert "it is kept as 'source_id'" in caplog.text


def test_pictures_without_an_id_are_numbered(tmp_path):
    embedded("train").remove_columns("id").to_parquet(tmp_path / "train.parquet")
    loaded = load_source(str(tmp_path))
    assert loaded.id_column is None and loaded.splits["train"]["id"][:] == ["0", "1", "2", "3"]


def test_class_numbers_become_names_also_in_lists_and_unknown_ones_none(tmp_path):
    names = datasets.ClassLabel(names=["b", "a"])
    features = datasets.Features({"image": datasets.Image(), "one": names, "many": datasets.List(names)})
    rows = {"image": [picture("train", "x")] * 2, "one": [1, -1], "many": [[0, 1], None]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path)
    train = load_source(str(tmp_path)).splits["train"]
    assert train["one"][:] == ["a", None] and train["many"][:] == [["b", "a"], None]
