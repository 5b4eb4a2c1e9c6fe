"""One small data set, drawn in every layout that sources reads; used by the tests of sources."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.decoding import decode
from mtl_accel.data.sources import load
from mtl_accel.data.sources.load import Source

SPLITS = {"train": "train", "validation": "val", "test": "test"}
ROWS = {
    "train": [("cat/1.png", "cat"), ("cat/2.png", "cat"), ("dog/1.png", "dog"), ("dog/2.png", "dog")],
    "validation": [("cat/3.png", "cat"), ("dog/3.png", "dog")],
    "test": [("cat/4.png", "cat"), ("dog/4.png", "dog")],
}


@pytest.fixture(scope="module", autouse=True)
def quiet_caches(tmp_path_factory):
    """Caches of `datasets` in a temporary folder, and no progress bars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("tables")))
        shown = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        yield
        if shown:
            datasets.enable_progress_bars()


def picture(split: str, name: str) -> Image.Image:
    values = np.random.default_rng(sum(map(ord, split + name))).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(values)


def draw(path: Path, image: Image.Image | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new("RGB", (4, 4), (9, 9, 9))).save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def draw_split_folders(root: Path, under: str = "") -> None:
    for split, folder in SPLITS.items():
        for name, _ in ROWS[split]:
            draw(root / under / folder / name, picture(split, name))


def table(split: str) -> pd.DataFrame:
    return pd.DataFrame(ROWS[split], columns=["file_name", "label"])


def embedded(split: str, *, labels_as_numbers: bool = False) -> datasets.Dataset:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "id": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["dog", "cat"]) if labels_as_numbers else datasets.Value("string"),
        }
    )
    rows = [{"image": picture(split, name), "id": name, "label": label} for name, label in ROWS[split]]
    return datasets.Dataset.from_list(rows, features=features)


def make_kaggle(root: Path) -> None:
    draw_split_folders(root)
    for split, folder in SPLITS.items():
        table(split).to_csv(root / f"{folder}.csv", index=False)


def make_kaggle_shared_images(root: Path) -> None:
    draw_split_folders(root, "images")
    for split, folder in SPLITS.items():
        table(split).to_csv(root / f"{folder}.csv", index=False)


def make_kaggle_without_suffixes(root: Path) -> None:
    make_kaggle(root)
    for split, folder in SPLITS.items():
        rows = table(split).assign(
            image=[f"{folder}/{name[:-4]}" for name, _ in ROWS[split]], id=table(split).file_name
        )
        rows[["id", "label", "image"]].to_csv(root / f"{folder}.csv", index=False)


def make_class_folders(root: Path) -> None:
    draw_split_folders(root)


def make_metadata(root: Path, kind: str) -> None:
    draw_split_folders(root)
    for split, folder in SPLITS.items():
        if kind == "csv":
            table(split).to_csv(root / folder / "metadata.csv", index=False)
        elif kind == "jsonl":
            table(split).to_json(root / folder / "metadata.jsonl", orient="records", lines=True)
        else:
            table(split).to_parquet(root / folder / "metadata.parquet")


def make_parquet(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for split, folder in SPLITS.items():
        embedded(split, labels_as_numbers=True).to_parquet(root / f"{folder}.parquet")


def make_parquet_shards(root: Path) -> None:
    (root / "data").mkdir(parents=True)
    for split in SPLITS:
        for shard in range(2):
            part = embedded(split).shard(2, shard, contiguous=True)
            part.to_parquet(root / "data" / f"{split}-{shard:05d}-of-00002.parquet")


def make_parquet_by_pandas(root: Path) -> None:
    root.mkdir(parents=True)
    for split in SPLITS:
        images = [{"bytes": row["image"]["bytes"], "path": None} for row in undecoded(embedded(split))]
        table(split).rename(columns={"file_name": "id"}).assign(picture=images).to_parquet(root / f"{split}.parquet")


def undecoded(dataset: datasets.Dataset) -> datasets.Dataset:
    return dataset.cast_column("image", datasets.Image(decode=False))


def make_saved(root: Path) -> None:
    datasets.DatasetDict({split: embedded(split, labels_as_numbers=True) for split in SPLITS}).save_to_disk(root)


def make_parquet_of_paths(root: Path) -> None:
    draw_split_folders(root)
    for split, folder in SPLITS.items():
        rows = table(split).rename(columns={"file_name": "id"})
        rows.assign(image=folder + "/" + rows.id).to_parquet(root / f"{split}.parquet")


LAYOUTS = {
    "kaggle": make_kaggle,
    "kaggle, images in images/": make_kaggle_shared_images,
    "kaggle, suffixes left out": make_kaggle_without_suffixes,
    "class folders": make_class_folders,
    "metadata.csv": lambda root: make_metadata(root, "csv"),
    "metadata.jsonl": lambda root: make_metadata(root, "jsonl"),
    "metadata.parquet": lambda root: make_metadata(root, "parquet"),
    "parquet": make_parquet,
    "parquet shards": make_parquet_shards,
    "parquet by pandas": make_parquet_by_pandas,
    "parquet of paths": make_parquet_of_paths,
    "save_to_disk": make_saved,
}


def load_source(root: Path | str, only: str | None = None, **options) -> Source:
    """The splits of a source. Raises UserError for problems with its rows, too."""
    source = load.load_source(DataConfig(source=str(root), **options), only=only)
    if source.row_problems:
        raise UserError(source.row_problems)
    return source


def contents(loaded: Source) -> dict[str, dict[str, tuple[str, bytes]]]:
    return {
        split: {row["id"]: (row["label"], decode(row["image"], place=split).tobytes()) for row in loaded.splits[split]}
        for split in loaded.splits
    }


EXPECTED = {
    split: {name: (label, picture(split, name).tobytes()) for name, label in rows} for split, rows in ROWS.items()
}


def kaggle(root: Path, text: str, *names: str) -> Path:
    write(root / "train.csv", text)
    for name in names:
        draw(root / name)
    return root


def problems(root: Path | str, **options) -> str:
    with pytest.raises(UserError) as error:
        load_source(str(root), **options)
    return str(error.value)
