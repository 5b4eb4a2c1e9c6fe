"""Draw a folder of photos for docs/tutorial.md: python docs/practice_photos.py photos

It looks like the download of a competition: train.csv with labels, test.csv without, the photos of both, and two sample
submissions. The garments are those of the embedded data set.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from mtl_accel.config.sections.data import WardrobeConfig
from mtl_accel.data.wardrobe.wardrobe import write_wardrobe

ATTRIBUTES = ["long_sleeves", "collar", "hood", "buttons", "zip", "pockets"]
UNLABELLED_EVERY = 20  # one category in so many is left empty, as in data of real life


def main(folder: Path, num_train: int, num_test: int, image_size: int) -> None:
    if folder.exists():
        raise SystemExit(f"error: {folder} is there already; name another folder, or delete it first")
    sizes = WardrobeConfig(num_train=num_train, num_validation=1, num_test=num_test, image_size=image_size)
    with tempfile.TemporaryDirectory() as temporary:
        drawn = write_wardrobe(sizes, Path(temporary))
        folder.mkdir(parents=True)
        for split in ("train", "test"):
            shutil.move(drawn / split, folder / split)
        train, test = (pd.read_csv(drawn / name) for name in ("train.csv", "test.csv"))
    train.loc[UNLABELLED_EVERY - 1 :: UNLABELLED_EVERY, "category"] = ""
    train[["filename", "category", *ATTRIBUTES]].to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    test.assign(category="dress").to_csv(folder / "sample_category.csv", index=False)
    test.assign(**dict.fromkeys(ATTRIBUTES, 0)).to_csv(folder / "sample_attribute.csv", index=False)
    print(f"{folder}: {num_train} photos to train on, {num_test} to predict")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to make")
    parser.add_argument("--num_train", type=int, default=1200, help="labelled photos; default: 1200")
    parser.add_argument("--num_test", type=int, default=200, help="photos to predict; default: 200")
    parser.add_argument("--image_size", type=int, default=96, help="height and width in pixels; default: 96")
    options = parser.parse_args()
    main(options.folder, options.num_train, options.num_test, options.image_size)
