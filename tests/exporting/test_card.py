"""What the public may know of a run's config."""

from __future__ import annotations

from mtl_accel.config import read_config
from mtl_accel.exporting.card import public_knobs


def test_tables_are_named_without_their_folders(tmp_path):
    places = {
        "data.source": str(tmp_path / "photos"),
        "data.image_dirs": [str(tmp_path / "more")],
        "data.tables": {"train": str(tmp_path / "labels.csv")},
        "data.join": [str(tmp_path / "splits.csv")],
    }
    knobs = public_knobs(read_config("configs/quickstart.json", places))
    assert str(tmp_path) not in str(knobs)
    assert knobs["data"]["tables"] == {"train": "labels.csv"} and knobs["data"]["join"][0]["table"] == "splits.csv"
