"""The embedded data set: its files, its labels, and pictures that follow from their number alone."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from mtl_accel.config import read_json, validate
from mtl_accel.config.sections.data import WardrobeConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.wardrobe import wardrobe
from mtl_accel.data.wardrobe.photo import draw
from mtl_accel.data.wardrobe.wardrobe import ATTRIBUTES, CATEGORIES, mislabel, sample_labels, write_wardrobe


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _checksums(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write(
    num_train: int,
    num_validation: int,
    num_test: int,
    image_size: int,
    *,
    cache_dir: Path,
    seed: int = 0,
    **workers: int,
) -> Path:
    sizes = {"num_train": num_train, "num_validation": num_validation, "num_test": num_test}
    return write_wardrobe(WardrobeConfig(**sizes, image_size=image_size, seed=seed), cache_dir, **workers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(70, 5, 4, 32, cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def labels() -> list[tuple[str, frozenset[str], str, frozenset[str]]]:
    """True and written labels of many garments."""
    drawn = []
    for number in range(20_000):
        rng = Random(f"labels/{number}")
        category, attributes = sample_labels(rng)
        drawn.append((category, attributes, *mislabel(category, attributes, rng)))
    return drawn


def test_tables_and_images_have_the_kaggle_layout(folder: Path) -> None:
    names = []
    for split, count in (("train", 70), ("val", 5), ("test", 4)):
        rows = _table(folder / f"{split}.csv")
        assert len(rows) == count
        assert sorted(row["filename"] for row in rows) == sorted(path.name for path in (folder / split).iterdir())
        assert list(rows[0]) == ["filename"] + (["category", *ATTRIBUTES, "price"] if split != "test" else [])
        names += [row["filename"] for row in rows]
    assert names == [f"{number:06d}.jpg" for number in range(1, 80)]


def test_labels_are_known_categories_and_zeros_and_ones(folder: Path) -> None:
    for row in _table(folder / "train.csv") + _table(folder / "val.csv") + _table(folder / "test_labels.csv"):
        assert row["category"] in CATEGORIES
        assert {row[name] for name in ATTRIBUTES} <= {"0", "1"}
        assert 1_000 <= int(row["price"]) <= 1_000_000


def test_test_labels_stand_beside_in_the_order_of_the_test_table(folder: Path) -> None:
    names = [row["filename"] for row in _table(folder / "test.csv")]
    assert [row["filename"] for row in _table(folder / "test_labels.csv")] == names


def test_images_are_jpeg_files_of_the_size_asked_for(folder: Path) -> None:
    for path in folder.glob("*/*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 32))


def test_image_follows_from_seed_split_number_and_size_alone(folder: Path, tmp_path: Path) -> None:
    other = write(3, 2, 1, 32, cache_dir=tmp_path)
    for split, first, other_first in (("train", 1, 1), ("val", 71, 4), ("test", 76, 6)):
        one = (folder / split / f"{first:06d}.jpg").read_bytes()
        assert one == (other / split / f"{other_first:06d}.jpg").read_bytes()
    assert _table(folder / "train.csv")[:3] == _table(other / "train.csv")


def test_splits_and_seeds_show_different_garments(folder: Path, tmp_path: Path) -> None:
    other = write(2, 1, 1, 32, seed=1, cache_dir=tmp_path)
    images = [path.read_bytes() for root in (folder, other) for path in root.glob("*/*.jpg")]
    assert len(set(images)) == len(images)


def test_number_of_workers_changes_nothing(folder: Path, tmp_path: Path) -> None:
    assert _checksums(write(70, 5, 4, 32, cache_dir=tmp_path, num_workers=2)) == _checksums(folder)


def test_second_call_reads_the_cache(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write(70, 5, 4, 32, cache_dir=folder.parent) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_every_argument_and_the_drawing_version_name_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1, "image_size": 32, "seed": 0}
    folders = [write(**sizes, cache_dir=tmp_path)]
    folders += [write(**{**sizes, name: value + 1}, cache_dir=tmp_path) for name, value in sizes.items()]
    monkeypatch.setattr(wardrobe, "DRAWING_VERSION", wardrobe.DRAWING_VERSION + 1)
    folders.append(write(**sizes, cache_dir=tmp_path))
    assert len(set(folders)) == len(sizes) + 2


def test_processes_that_write_at_once_share_one_complete_folder(folder: Path, tmp_path: Path) -> None:
    command = (
        "from pathlib import Path; from mtl_accel.config.sections.data import WardrobeConfig\n"
        "from mtl_accel.data.wardrobe.wardrobe import write_wardrobe\n"
        "sizes = WardrobeConfig(num_train=70, num_validation=5, num_test=4, image_size=32)\n"
        f"print(write_wardrobe(sizes, Path({str(tmp_path)!r})))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    printed = {process.communicate()[0].strip() for process in processes}
    [written] = printed
    assert _checksums(Path(written)) == _checksums(folder)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [folder.name]


def test_remains_of_a_killed_process_are_replaced(folder: Path, tmp_path: Path) -> None:
    remains = tmp_path / f"{folder.name}.partial" / "train"
    remains.mkdir(parents=True)
    (remains / "000099.jpg").write_bytes(b"half")
    written = write(70, 5, 4, 32, cache_dir=tmp_path)
    assert _checksums(written) == _checksums(folder)
    assert not remains.exists()


def test_interrupted_drawing_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(chunks: list, num_workers: int) -> Iterator:
        raise KeyboardInterrupt

    monkeypatch.setattr(wardrobe, "_in_order", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(1, 1, 1, 32, cache_dir=tmp_path)
    monkeypatch.undo()
    assert (write(1, 1, 1, 32, cache_dir=tmp_path) / "test_labels.csv").is_file()


def test_impossible_sizes_are_named_all_at_once() -> None:
    config = read_json(Path("configs/quickstart.json"))
    config["data"]["wardrobe"] = {"num_train": 0, "num_test": -3, "image_size": 0}
    with pytest.raises(UserError) as raised:
        validate(config, "quickstart.json")
    wrong = ("data.wardrobe.num_train", "data.wardrobe.num_test", "data.wardrobe.image_size")
    assert len(raised.value.problems) == len(wrong)
    assert all(name in problem for name, problem in zip(wrong, raised.value.problems, strict=True))


def test_cache_that_cannot_be_written_names_itself(tmp_path: Path) -> None:
    blocked = tmp_path / "a_file"
    blocked.touch()
    with pytest.raises(UserError, match=r"a_file.*--data\.cache_dir"):
        write(1, 1, 1, 32, cache_dir=blocked)


def test_attribute_rates_lie_between_2_and_40_percent(labels: list) -> None:
    counts = Counter(name for *_, written in labels for name in written)
    rates = {name: counts[name] / len(labels) for name in ATTRIBUTES}
    assert all(0.02 < rate < 0.40 for rate in rates.values()), rates


def test_every_category_is_common_enough_to_learn(labels: list) -> None:
    counts = Counter(written for _, _, written, _ in labels)
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) > 0.04 * len(labels)


def test_attributes_depend_on_the_category(labels: list) -> None:
    def rate(attribute: str, category: str) -> float:
        having = [attribute in written for _, _, name, written in labels if name == category]
        return sum(having) / len(having)

    for attribute, usual, rare in (
        ("hood", "hoodie", "shirt"),
        ("collar", "shirt", "t-shirt"),
        ("pleats", "skirt", "coat"),
    ):
        assert rate(attribute, usual) > 5 * rate(attribute, rare)


def test_a_few_labels_are_wrong(labels: list) -> None:
    wrong_categories = sum(true != written for true, _, written, _ in labels)
    wrong_attributes = sum(len(true ^ written) for _, true, _, written in labels)
    assert 0.015 < wrong_categories / len(labels) < 0.025
    assert 0.007 < wrong_attributes / (len(labels) * len(ATTRIBUTES)) < 0.013


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_shows_on_most_garments_of_its_usual_category(attribute: str) -> None:
    """Sleeves are compared with short ones, everything else with the same picture without it."""
    rates = dict(zip(CATEGORIES, wardrobe._RATES[attribute], strict=True))
    category = max(rates, key=rates.__getitem__)
    shares = []
    for number in range(21):
        bare, having = (
            np.asarray(draw(category, shown, 64, Random(number)), dtype=int)
            for shown in (frozenset(), frozenset([attribute]))
        )
        shares.append((np.abs(bare - having).max(axis=2) > 24).mean())
    assert np.median(shares) > 0.008


@pytest.mark.parametrize("category", CATEGORIES)
@settings(max_examples=10)
@given(
    attributes=st.frozensets(st.sampled_from(ATTRIBUTES)),
    image_size=st.integers(1, 80),
    seed=st.integers(0, 2**63),
)
def test_any_garment_is_drawn_at_any_size(
    category: str, attributes: frozenset[str], image_size: int, seed: int
) -> None:
    image = draw(category, attributes, image_size, Random(seed))
    assert (image.mode, image.size) == ("RGB", (image_size, image_size))
    again = draw(category, attributes, image_size, Random(seed))
    assert ImageChops.difference(image, again).getbbox() is None


def test_large_pictures_are_drawn_too() -> None:
    assert draw("coat", frozenset(["belt", "checks"]), 520, Random(0)).size == (520, 520)
