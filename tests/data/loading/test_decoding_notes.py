"""What is worth saying of pictures is said once with a count, from threads, worker processes and the pixel cache."""

from __future__ import annotations

import logging
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from loading_cases import encode, pixels_of
from PIL import Image

from mtl_accel.data.loading import decoding_notes
from mtl_accel.data.loading.decoding import decode
from mtl_accel.data.loading.decoding_notes import Note, collect_notes, summarize
from mtl_accel.data.loading.loader import EvaluationLoader, MicroBatches, TrainingLoader
from mtl_accel.data.loading.sampler import TrainingOrder

ANIMATED = "are animated or have several pages, of which the first is read"
EIGHT_BITS = "have 16 or 32 bits and no value above 255, and are read as pictures of 8 bits"
TRUNCATED = 'make Pillow warn: "Truncated File Read"'


def frames(format: str) -> bytes:
    first, second = (Image.new("RGB", (9, 8), colour) for colour in ("red", "blue"))
    return encode(
        first, format, save_all=True, append_images=[second], **({"lossless": True} if format == "WEBP" else {})
    )


def damaged_exif() -> bytes:
    """A whole JPEG whose EXIF says that it has more entries than it has."""
    exif = Image.Exif()
    exif[0x0112] = 1
    content = exif.tobytes()
    return encode(Image.new("RGB", (9, 8)), "JPEG", exif=content[:14] + b"\x09" + content[15:-4])


PLAIN, TIFF16 = encode(Image.new("RGB", (9, 8))), encode(Image.fromarray(np.full((8, 9), 200, np.uint16)), "TIFF")


def split_of(*contents: bytes) -> datasets.Dataset:
    features = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image(decode=False)})
    images = [{"bytes": content, "path": None} for content in contents]
    return datasets.Dataset.from_dict({"id": list(map(str, range(len(images)))), "image": images}, features=features)


def notes_on(content: bytes) -> list[Note]:
    with collect_notes() as notes:
        decode(content, place="here")
    return notes


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_pictures_in_a_file_the_first_is_read_and_a_note_says_so(format: str) -> None:
    content = frames(format)
    assert np.asarray(decode(content, place="here"))[0, 0].tolist() == [255, 0, 0]
    assert notes_on(content) == [Note(ANIMATED, "here")]
    assert notes_on(encode(Image.new("RGB", (9, 8)), format)) == []


def test_8_bits_in_a_file_of_16_are_noted_and_16_bits_are_not() -> None:
    assert notes_on(TIFF16) == [Note(EIGHT_BITS, "here")]
    for values in ([[0, 256]], [[0, 0]]):
        assert notes_on(encode(Image.fromarray(np.array(values, np.uint16)), "TIFF")) == []


def test_a_warning_of_pillow_is_a_note_where_notes_are_collected_and_a_warning_elsewhere() -> None:
    (note,) = {Note(note.kind, note.place) for note in notes_on(damaged_exif())}
    assert note.kind.startswith('make Pillow warn: "') and note.place == "here"
    with pytest.warns(UserWarning, match="EXIF|Truncated"):
        decode(damaged_exif(), place="here")


def test_other_warnings_stay_warnings_and_nothing_global_is_left() -> None:
    before = warnings.showwarning, list(warnings.filters)
    with pytest.warns(UserWarning, match="another"), collect_notes() as notes:
        warnings.warn("another", stacklevel=1)
    assert notes == [] and (warnings.showwarning, list(warnings.filters)) == before


def test_threads_collect_each_its_own_notes_and_leave_nothing_behind() -> None:
    before, started = (warnings.showwarning, list(warnings.filters)), threading.Barrier(8)

    def work(index: int) -> list[Note]:
        started.wait()
        return [note for _ in range(5) for note in notes_on(damaged_exif() if index % 2 else TIFF16)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    assert [{note.kind == EIGHT_BITS for note in notes} for notes in found] == [{True}, {False}] * 4
    assert (warnings.showwarning, list(warnings.filters)) == before


def test_a_summary_has_one_line_for_each_kind() -> None:
    notes = [Note("are red", "a"), Note("are blue", "b"), Note("are red", "c")]
    assert summarize(notes) == ["pictures that are red: 2; the first: a", "pictures that are blue: 1; the first: b"]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_pixel_cache_keeps_what_is_to_be_said(tmp_path: Path, num_workers: int) -> None:
    split = split_of(*[PLAIN, frames("GIF"), TIFF16] * 100)
    expected = [f"pictures that {kind}: 100; the first: train, id" for kind in (ANIMATED, EIGHT_BITS)]
    for _ in range(2):  # made, and found again
        notes = sorted(pixels_of(split, tmp_path, num_workers=num_workers).notes)
        assert [note.rpartition(" ")[0] for note in notes] == expected
    assert pixels_of(split_of(PLAIN), tmp_path).notes == []


@pytest.mark.parametrize("num_workers", [0, 1])
def test_pictures_that_are_decoded_with_their_batches_are_told_of_once(tmp_path, caplog, num_workers: int) -> None:
    pixels = pixels_of(split_of(PLAIN, frames("GIF"), frames("GIF"), TIFF16, PLAIN), tmp_path, cache="none")
    data, device = MicroBatches(pixels, {}), torch.device("cpu")
    lines = [
        f"pictures that {ANIMATED}: 2; the first: train, id 1",
        f"pictures that {EIGHT_BITS}: 1; the first: train, id 3",
    ]
    loaders = {rank: EvaluationLoader(data, 2, rank, 2, num_workers, device) for rank in range(2)}
    with caplog.at_level(logging.WARNING, logger=decoding_notes.__name__):
        alone = EvaluationLoader(data, 2, 0, 1, num_workers, device)
        for _ in range(2):
            assert len(list(alone)) == 3
        assert sorted(record.getMessage() for record in caplog.records) == sorted(lines)
        caplog.clear()
        training = TrainingLoader(data, TrainingOrder(5, 2, 2, 0), 0, 1, num_workers, device)
        for epoch in range(2):
            assert len(list(training.steps(epoch))) == 3
        assert sum(f"{ANIMATED}: 2" in record.getMessage() for record in caplog.records) == 1
        caplog.clear()
        list(loaders[1])
        assert not caplog.records
