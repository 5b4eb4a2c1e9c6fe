"""The pixel cache: the images of a split, decoded and resized once and kept in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from filelock import FileLock

from ...core import atomic_io
from ...core.errors import UserError, shorten
from ..sources.splits import ids_of
from .pixels import DecodedPixels, DevicePixels, Pixels, StoredPixels, Transforms, decode_and_resize

_VERSION = 1  # of the file's content; a file of another version is not read
_MAX_SHOWN = 20  # images named when some cannot be decoded
_ROWS_PER_WRITE = 64

logger = logging.getLogger(__name__)


def open_pixels(
    split: datasets.Dataset,
    transforms: Transforms,
    *,
    name: str,
    cache: str,
    fingerprint: str,
    folder: Path,
    num_workers: int,
    device: torch.device,
) -> Pixels:
    """Open the images of a split as `data.cache` says, and build the cache file if there is none yet.

    Args:
        name: name of the split, for messages.
        cache: "none", "disk" or "device".
        fingerprint: digest of the source; the file's name depends on it, on the rows and on the transforms.
        folder: where the cache files are.

    Raises:
        UserError: images cannot be decoded, or the disk is too small.
    """
    if cache == "none":
        return DecodedPixels(split, transforms, name)
    stored = _open_stored(split, transforms, name, fingerprint, folder, num_workers)
    if cache == "disk":
        return stored
    need, have = stored.array.nbytes, _free_memory(device)
    if need > have:
        logger.warning(
            "data.cache 'device': %s needs %s bytes and %s has %s free; reading from disk instead",
            *(name, f"{need:,}", device, f"{have:,}"),
        )
        return stored
    return DevicePixels(stored, device)


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * 0.5)  # the model and its activations need the rest
    return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 0.5)


def _open_stored(
    split: datasets.Dataset, transforms: Transforms, name: str, fingerprint: str, folder: Path, num_workers: int
) -> StoredPixels:
    size = transforms[-1].size
    described = json.dumps([_VERSION, fingerprint, [t.model_dump() for t in transforms]])
    digest = hashlib.blake2b(described.encode(), digest_size=12)
    for identifier in ids_of(split):
        digest.update(f"{identifier}\0".encode())
    final = folder / f"{name}-{size[0]}x{size[1]}-{digest.hexdigest()}"
    path = final / "pixels.uint8"
    # One process decodes. The others of this machine wait here, and then find the folder.
    with _cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{final}.lock"):
            if path.exists() and path.stat().st_size != _num_bytes(split, transforms):
                logger.warning("%s was cut short and is built anew", path)
                atomic_io.discard(final)
            if not path.exists():
                _build(split, transforms, name, final, num_workers)
        return StoredPixels(path, len(split), size)


def _num_bytes(split: datasets.Dataset, transforms: Transforms) -> int:
    return len(split) * 3 * transforms[-1].size[0] * transforms[-1].size[1]


@contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cache folder {folder} of the decoded pictures: {error}. Free space there, make it writable, or set "
            'data.cache_dir to a folder that is, or data.cache to "none"'
        ) from error
    except RuntimeError as error:
        if "abruptly died" not in str(error):  # how `datasets` reports a process of its own that was killed
            raise
        raise UserError(
            "data.num_workers: a process that decodes was ended, most likely by the system, because memory ran out; "
            "set it lower and start again: what is decoded already is kept"
        ) from error


def _build(split: datasets.Dataset, transforms: Transforms, name: str, final: Path, num_workers: int) -> None:
    """Decode the rows that no earlier, killed attempt has decoded, then give the folder its final name."""
    partial = final.with_name(final.name + ".partial")
    shape = (len(split), 3, *transforms[-1].size)
    written = sum(path.stat().st_blocks * 512 for path in partial.glob("*"))
    need, have = _num_bytes(split, transforms), shutil.disk_usage(final.parent).free + written
    if need > have:
        raise UserError(
            f"{final}: the decoded pictures of {name} need {need:,} bytes and {have:,} are free; "
            'make room, set data.cache_dir to another disk, or data.cache to "none"'
        )
    if (partial / "pixels.uint8").exists() and (partial / "pixels.uint8").stat().st_size != need:
        shutil.rmtree(partial)  # cut short: what counts as done is not there
    partial.mkdir(exist_ok=True)
    pixels = _map_file(partial / "pixels.uint8", shape)
    done = _map_file(partial / "done.uint8", shape[:1])
    left = np.flatnonzero(done == 0)
    samples = split.select_columns(["id", "image"]).select(left)
    with bars_on_terminals_only():
        samples.map(
            _write_rows,
            with_indices=True,
            batched=True,
            batch_size=_ROWS_PER_WRITE,
            num_proc=num_workers if num_workers > 1 and len(left) > 4 * _ROWS_PER_WRITE else None,
            fn_kwargs={"rows": left, "folder": partial, "shape": shape, "transforms": transforms, "name": name},
            load_from_cache_file=False,
            desc=f"decoding {name} ({need / 1e6:,.0f} MB)",
        )
    problems = [line for log in sorted(partial.glob("problems-*")) for line in log.read_text().splitlines()]
    if problems:
        shutil.rmtree(partial)
        raise UserError(shorten(problems, "pictures", limit=_MAX_SHOWN))
    assert done.all()
    pixels.flush()
    (partial / "done.uint8").unlink()
    partial.rename(final)


@contextmanager
def bars_on_terminals_only() -> Iterator[None]:
    """Hide the progress bars of `datasets`, which it would write into log files too, unless stderr is a terminal."""
    hides = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    if hides:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if hides:
            datasets.enable_progress_bars()


def _map_file(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """Map a file into memory to write into it; a new one is made of zeros."""
    size = int(np.prod(shape, dtype=np.int64))
    with path.open("ab") as file:
        file.truncate(size)
    return np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)


def _write_rows(
    batch: dict[str, list[Any]],
    indices: list[int],
    rows: np.ndarray,
    folder: Path,
    shape: tuple[int, ...],
    transforms: Transforms,
    name: str,
) -> None:
    """Decode a batch into the file. What cannot be decoded is written down, so that all of it is reported at once.

    Args:
        indices: positions of the batch in `rows`, which holds the rows of the file.
    """
    pixels = np.memmap(folder / "pixels.uint8", dtype=np.uint8, mode="r+", shape=shape)
    done = np.memmap(folder / "done.uint8", dtype=np.uint8, mode="r+", shape=shape[:1])
    for index, identifier, value in zip(indices, batch["id"], batch["image"], strict=True):
        try:
            pixels[rows[index]] = decode_and_resize(value, f"{name}, id {identifier}", transforms)
        except UserError as error:
            with (folder / f"problems-{os.getpid()}").open("a") as log:
                log.write(str(error).replace("\n", " ") + "\n")
        done[rows[index]] = 1
