"""The pixel cache: the images of a split, decoded and resized once and kept in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from filelock import FileLock

from ...config.sections.picture_sizes import extent_after
from ...config.sections.transforms import CachedTransform, Resize
from ...core import atomic_io
from ...core.errors import UserError, shorten
from ...core.memory import available_bytes
from ...core.progress import Pace, stage
from ..sources.splits import ids_of
from ..transforms.cached import OtherSizeError
from .bars import bars_on_terminals_only
from .decoding_notes import Note, collect_notes, summarize
from .pixel_files import PixelFiles, bytes_on_disk, pixel_files, write_notes
from .pixels import (
    DecodedPixels,
    DevicePixels,
    Pixels,
    StoredPixels,
    StoredRaggedPixels,
    Transforms,
    decode_and_transform,
)

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
    if cache == "disk" or isinstance(stored, StoredRaggedPixels):  # one of several sizes is read on the CPU
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
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()
    return int(free * 0.5)  # the model and its activations need the rest


def _open_stored(
    split: datasets.Dataset, transforms: Transforms, name: str, fingerprint: str, folder: Path, num_workers: int
) -> StoredPixels | StoredRaggedPixels:
    size = extent_after(transforms).size
    described = json.dumps([_VERSION, fingerprint, [_key(transform) for transform in transforms]])
    digest = hashlib.blake2b(described.encode(), digest_size=12)
    for identifier in ids_of(split):
        digest.update(f"{identifier}\0".encode())
    final = folder / f"{name}-{'ragged' if size is None else f'{size[0]}x{size[1]}'}-{digest.hexdigest()}"
    files, partial = pixel_files(len(split), size), _partial(final)
    # One process decodes. The others of this machine wait here, and then find the folder.
    with _cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        pace = Pace(f"decoding {name}", len(split), "pictures", start=files.num_done(partial))
        with stage(lambda: pace.describe(files.num_done(partial))), FileLock(f"{final}.lock"):
            stored = files.open(final)
            if stored is None:
                if final.exists():
                    file = next(iter(sorted(final.glob("pixels*.uint8"))), final)
                    logger.warning("%s was cut short and is built anew", file)
                    atomic_io.discard(final)
                _build(split, transforms, name, final, files, num_workers)
                stored = files.open(final)
                assert stored is not None
        return stored


def _partial(final: Path) -> Path:
    """Folder of unfinished files."""
    return final.with_name(final.name + ".partial")


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


def _key(transform: CachedTransform) -> dict[str, Any]:
    """What a file's name depends on. A knob that came later is left out where it is not used: older files hold."""
    later = {"max_size"} if isinstance(transform, Resize) and transform.max_size is None else None
    return transform.model_dump(exclude=later)


def _build(
    split: datasets.Dataset, transforms: Transforms, name: str, final: Path, files: PixelFiles, num_workers: int
) -> None:
    """Decode the rows that no earlier, killed attempt has decoded, then give the folder its final name."""
    partial = _partial(final)
    have = shutil.disk_usage(final.parent).free + sum(bytes_on_disk(path) for path in partial.glob("*"))
    if (need := files.need_bytes or 0) > have:
        raise UserError(
            f"{final}: the decoded pictures of {name} need {need:,} bytes and {have:,} are free; "
            'make room, set data.cache_dir to another disk, or data.cache to "none"'
        )
    if partial.exists() and not files.is_whole(partial):
        shutil.rmtree(partial)  # cut short: what counts as done is not there
    partial.mkdir(exist_ok=True)
    left = files.prepare(partial)
    samples = split.select_columns(["id", "image"]).select(left)
    with bars_on_terminals_only():
        samples.map(
            _write_rows,
            with_indices=True,
            batched=True,
            batch_size=_ROWS_PER_WRITE,
            num_proc=num_workers if num_workers > 1 and len(left) > 4 * _ROWS_PER_WRITE else None,
            fn_kwargs={"rows": left, "folder": partial, "files": files, "transforms": transforms, "name": name},
            load_from_cache_file=False,
            desc=f"decoding {name}" + (f" ({need / 1e6:,.0f} MB)" if need else ""),
        )
    problems = _read_problems(partial, name, len(split))
    if problems:
        shutil.rmtree(partial)
        raise UserError(shorten(problems, "pictures", limit=_MAX_SHOWN))
    files.finish(partial)
    write_notes(partial, summarize(Note(*note) for note in _written_down(partial, "notes")))
    partial.rename(final)


def _write_rows(
    batch: dict[str, list[Any]],
    indices: list[int],
    rows: np.ndarray,
    folder: Path,
    files: PixelFiles,
    transforms: Transforms,
    name: str,
) -> None:
    """Decode a batch into the files. What cannot be decoded is written down, so that all of it is reported at once.

    Args:
        indices: positions of the batch in `rows`, which holds the rows of the files.
    """
    with files.writer(folder) as write, collect_notes() as notes:
        for index, identifier, value in zip(indices, batch["id"], batch["image"], strict=True):
            image = None
            try:
                image = decode_and_transform(value, f"{name}, id {identifier}", transforms)
            except OtherSizeError as error:
                _write_down(folder, "problems", {"size": error.size, "required": error.required, "id": identifier})
            except UserError as error:
                _write_down(folder, "problems", {"problem": str(error).replace("\n", " ")})
            write(int(rows[index]), image)
        for note in notes:
            _write_down(folder, "notes", list(note))


def _write_down(folder: Path, what: str, value: Any) -> None:
    with (folder / f"{what}-{os.getpid()}.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(value) + "\n")


def _written_down(folder: Path, what: str) -> list[Any]:
    """What all processes wrote down; the files are removed."""
    logs = sorted(folder.glob(f"{what}-*.jsonl"))
    found = [json.loads(line) for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    for log in logs:
        log.unlink()
    return found


def _read_problems(folder: Path, name: str, total: int) -> list[str]:
    """The problems of all processes; the sizes that pictures must not have are one of them."""
    written = _written_down(folder, "problems")
    others = [problem for problem in written if "size" in problem]
    problems = [problem["problem"] for problem in written if "problem" in problem]
    if others:
        counts = Counter(tuple(problem["size"]) for problem in others).most_common()
        sizes = [f"{list(size)} ({count:,} pictures, the first: id {_first(others, size)})" for size, count in counts]
        problems.append(
            f"transforms: without Resize all pictures must have the size of the first in training, "
            f"{others[0]['required']}, and {len(others):,} of the {total:,} of {name} have another: "
            f"{', '.join(shorten(sizes, 'sizes'))}; put Resize first in transforms.train and transforms.eval"
        )
    return problems


def _first(problems: list[dict[str, Any]], size: tuple[int, ...]) -> str:
    return next(str(problem["id"]) for problem in problems if tuple(problem["size"]) == size)
