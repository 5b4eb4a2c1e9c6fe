"""Every picture decoded once, in parallel processes: its header, a thumbnail, and a digest of its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image, ImageStat

from ...core.errors import UserError
from ...core.progress import stage
from ...data.loading.bars import bars_on_terminals_only
from ...data.loading.decoding import decode
from ...data.loading.decoding_notes import collect_notes

SIDE = 16  # of a thumbnail in pixels
_DRAFT = (64, 64)  # a JPEG is decoded at the smallest scale that its format has and that is no smaller than this
_ROWS = 64  # of a table that a process decodes at a time
_FEATURES = datasets.Features(
    {
        "width": datasets.Value("int32"),
        "height": datasets.Value("int32"),
        "mode": datasets.Value("string"),
        "format": datasets.Value("string"),
        "digest": datasets.Value("binary"),
        "deviation": datasets.Value("float32"),
        "thumbnail": datasets.Value("binary"),
        "problem": datasets.Value("string"),
        "is_missing": datasets.Value("bool"),
    }
)
_NOTHING = {"width": 0, "height": 0, "mode": "", "format": "", "digest": b"", "deviation": 0.0}


@dataclass(frozen=True)
class Scan:
    """What is known of N pictures; all but `problems` and `missing` is 0 or "" where a picture cannot be decoded.

    Attributes:
        sizes: int32 [N, 2], width and height as the file's header says.
        modes, formats: of Pillow, such as "RGB" and "JPEG".
        digests: of the decoded pixels and their size. JPEGs are decoded at reduced size.
        deviations: float32 [N], standard deviation of the grey values, of 255.
        thumbnails: uint8 [N, 16, 16, 3], the whole picture squeezed into a square.
        problems: what is wrong with a picture that cannot be decoded, by its row.
        missing: rows without a picture file.
    """

    sizes: np.ndarray
    modes: list[str]
    formats: list[str]
    digests: list[bytes]
    deviations: np.ndarray
    thumbnails: np.ndarray
    problems: Mapping[int, str]
    missing: frozenset[int]

    @property
    def decoded(self) -> np.ndarray:
        """Rows whose picture was decoded: int64, ascending."""
        return np.setdiff1d(np.arange(len(self.modes)), np.array(list(self.problems), np.int64))


def scan_pictures(splits: Mapping[str, datasets.Dataset], num_workers: int) -> Scan:
    """Decode the column `image` of all splits, in so many processes where there are enough pictures for them."""
    images = datasets.concatenate_datasets([table.select_columns(["id", "image"]) for table in splits.values()])
    with bars_on_terminals_only(), stage(lambda: f"looking at {len(images):,} pictures"):
        found = images.map(
            _scan_batch,
            with_indices=True,
            batched=True,
            batch_size=_ROWS,
            num_proc=num_workers if num_workers > 1 and len(images) > 4 * _ROWS else None,
            fn_kwargs={"splits": list(splits), "ends": np.cumsum([len(table) for table in splits.values()])},
            remove_columns=images.column_names,
            features=_FEATURES,
            keep_in_memory=True,
            load_from_cache_file=False,
            desc="looking at the pictures",
        )
    columns = found.with_format("arrow")[:]
    thumbnails = np.frombuffer(b"".join(columns["thumbnail"].to_pylist()), np.uint8)
    problems = columns["problem"].to_pylist()
    return Scan(
        sizes=np.stack([columns["width"].to_numpy(), columns["height"].to_numpy()], axis=1),
        modes=columns["mode"].to_pylist(),
        formats=columns["format"].to_pylist(),
        digests=columns["digest"].to_pylist(),
        deviations=columns["deviation"].to_numpy(),
        thumbnails=thumbnails.reshape(-1, SIDE, SIDE, 3),
        problems={row: problem for row, problem in enumerate(problems) if problem is not None},
        missing=frozenset(np.flatnonzero(columns["is_missing"].to_numpy()).tolist()),
    )


def _scan_batch(
    batch: Mapping[str, list[Any]], indices: list[int], splits: list[str], ends: np.ndarray
) -> dict[str, list[Any]]:
    """Scan a batch. `ends`: where the rows of each split end among all rows."""
    names = [splits[at] for at in np.searchsorted(ends, indices, side="right")]
    places = [f"{split}, id {identifier}" for split, identifier in zip(names, batch["id"], strict=True)]
    with collect_notes():  # Pillow would warn once an image; a run says it once
        rows = [_scan_one(image, place) for image, place in zip(batch["image"], places, strict=True)]
    return {name: [row[name] for row in rows] for name in _FEATURES}


def _scan_one(value: Mapping[str, Any], place: str) -> dict[str, Any]:
    header: dict[str, Any] = {}

    def read_header(image: Image.Image) -> None:
        header.update(width=image.width, height=image.height, mode=image.mode, format=image.format or "")
        image.draft(None, _DRAFT)

    try:
        picture = decode(value, place=place, before_pixels=read_header)
    except UserError as error:
        is_missing = value["bytes"] is None and not (value["path"] and Path(value["path"]).is_file())
        problem = {"problem": str(error).replace("\n", " "), "is_missing": is_missing}
        return {**_NOTHING, "thumbnail": bytes(3 * SIDE * SIDE), **problem}
    digest = hashlib.blake2b(f"{header['width']}x{header['height']}".encode(), digest_size=16)
    digest.update(picture.tobytes())
    # Not BOX, which takes pixels whole: a picture of another size would get another thumbnail.
    small = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return {
        **header,
        "digest": digest.digest(),
        "deviation": ImageStat.Stat(picture.convert("L")).stddev[0],
        "thumbnail": small.tobytes(),
        "problem": None,
        "is_missing": False,
    }
