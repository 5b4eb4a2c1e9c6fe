"""The pipeline: a sample's result is a function of (seed, epoch, id) and its picture, and of nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from augment_cases import CASES, NAMES, operation, pictures, pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional as tv

from mtl_accel.config import validate
from mtl_accel.core import rng
from mtl_accel.data.transforms import augment
from mtl_accel.data.transforms.augment import AUGMENTATIONS
from mtl_accel.data.transforms.base import as_float
from mtl_accel.data.transforms.pipeline import ImagePipeline

RANDOM = [name for name in NAMES if AUGMENTATIONS[name].num_uniforms]
sides = st.integers(1, 33)


def test_every_augmentation_has_a_case() -> None:
    assert CASES.keys() == AUGMENTATIONS.keys()


@settings(max_examples=60)
@given(names=st.lists(st.sampled_from(RANDOM), max_size=4), height=sides, width=sides, data=st.data())
def test_a_sample_is_bit_equal_alone_and_among_others(
    names: list[str], height: int, width: int, data: st.DataObject
) -> None:
    augmentation = pipeline(*names, "Normalize", size=(height, width))
    images, ids = pictures(7, height, width), np.array([5, 0, 2**40, 3, 11, 12, 13])
    whole = augmentation(images, ids, epoch=2)
    some = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=6))
    assert torch.equal(augmentation(images[some], ids[some], epoch=2), whole[some])


def test_parts_that_fit_the_cache_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation = pipeline(*NAMES, size=(16, 20))
    images, ids = pictures(9, 16, 20), np.arange(9)
    whole = augmentation(images, ids, epoch=1)
    monkeypatch.setattr(augment, "_PART_BYTES", 2 * 4 * 3 * 16 * 20)
    assert torch.equal(augmentation(images, ids, epoch=1), whole)


@settings(max_examples=40)
@given(
    names=st.lists(st.sampled_from(["RandomHorizontalFlip", "RandomVerticalFlip", "ColorJitter", "RandomRotation"])),
    height=sides,
    width=sides,
)
def test_a_flip_done_by_a_later_rotation_changes_no_bit(names: list[str], height: int, width: int) -> None:
    augmentation = pipeline(*names, "Normalize", size=(height, width))
    images, ids = pictures(5, height, width), np.arange(5)
    drawn = augmentation.draw(ids, epoch=4)
    expected = images
    for position, each in augmentation.operations.items():
        head = f"{position}."
        own = {name.removeprefix(head): array for name, array in drawn.items() if name.startswith(head)}
        expected = each.apply(expected, own)
    assert torch.equal(augmentation(images, ids, epoch=4), expected)


def test_flips_before_a_rotation_are_no_pass_of_their_own() -> None:
    # The jitter between them sees the same pixels; a box that is erased would not lie at the same place.
    names = ["RandomHorizontalFlip", "RandomVerticalFlip", "ColorJitter", "RandomRotation", "RandomHorizontalFlip"]
    augmentation, images = pipeline(*names, "Normalize", size=(12, 12)), pictures(4, 12, 12)
    with _Counting() as counting:
        augmentation(images, np.arange(4), epoch=0)
    assert counting.calls["flip"] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_batch_leaves_in_the_type_and_layout_that_the_model_reads(dtype: torch.dtype) -> None:
    augmentation, images = pipeline("RandomRotation", "Normalize", size=(12, 10)), pictures(4, 12, 10)
    augmented = augmentation(images, np.arange(4), dtype=dtype)
    assert augmented.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(augmented, augmentation(images, np.arange(4)).to(dtype))


def test_the_number_of_threads_changes_no_bit() -> None:
    augmentation = pipeline("ColorJitter", "RandomRotation", "Normalize", size=(96, 96))
    images, threads = pictures(8, 96, 96), torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(augmentation(images, np.arange(8), epoch=1))
    torch.set_num_threads(threads)
    assert torch.equal(*results)


@pytest.mark.parametrize("name", RANDOM)
def test_parameters_belong_to_seed_epoch_and_sample(name: str) -> None:
    draw = pipeline(name, size=(30, 40)).draw(np.arange(50), epoch=3)
    order = np.arange(50)[::-1]
    again = pipeline(name, size=(30, 40)).draw(order, epoch=3)
    assert all(np.array_equal(draw[key], again[key][order]) for key in draw)
    for other in (
        pipeline(name, size=(30, 40)).draw(np.arange(50), epoch=4),
        pipeline(name, size=(30, 40), seed=1).draw(np.arange(50), epoch=3),
        pipeline(name, size=(30, 40)).draw(np.arange(50, 100), epoch=3),
    ):
        assert not all(np.array_equal(draw[key], other[key]) for key in draw)


def test_two_flips_in_one_list_differ() -> None:
    draw = pipeline("RandomHorizontalFlip", "RandomHorizontalFlip", size=(8, 8)).draw(np.arange(100), epoch=0)
    assert draw.keys() == {"1.flip", "2.flip"}
    assert not np.array_equal(draw["1.flip"], draw["2.flip"])


def test_a_transform_added_at_the_end_leaves_the_others_alone() -> None:
    short = pipeline("RandomHorizontalFlip", "ColorJitter", size=(8, 8)).draw(np.arange(20), epoch=0)
    long = pipeline("RandomHorizontalFlip", "ColorJitter", "RandomRotation", size=(8, 8)).draw(np.arange(20), epoch=0)
    assert all(np.array_equal(short[key], long[key]) for key in short)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_given_pictures_stay_as_they_are(name: str, scaled: bool) -> None:
    """A step that balances at the features reads each micro-batch twice."""
    images = as_float(pictures(5, 12, 12)) if scaled else pictures(5, 12, 12)
    before = images.clone()
    augmented = pipeline(name, "Normalize", size=(12, 12))(images, np.arange(5), epoch=0)
    assert torch.equal(images, before)
    assert augmented.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_result_has_the_announced_size(name: str) -> None:
    augmentation = pipeline(name, "Normalize", size=(21, 16))
    assert augmentation(pictures(3, 21, 16), np.arange(3), epoch=0).shape == (3, 3, *augmentation.output_size)


def test_evaluation_needs_no_ids_and_draws_nothing() -> None:
    config = validate(json.loads(Path("configs/v5.json").read_text(encoding="utf-8")), "v5")
    augmentation = ImagePipeline.from_transforms(config.transforms.eval).batched
    images = pictures(2, 224, 224)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    assert not augmentation.is_random
    assert augmentation.draw(np.arange(2), epoch=0) == {}
    assert torch.equal(augmentation(images), tv.normalize(images.to(torch.float32).div(255), mean, std))


class _Counting(TorchDispatchMode):
    """Counts the operators by name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.calls[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


class _NoWaiting(TorchDispatchMode):
    """Fails on the operators that would make the host wait for a device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        waits = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique"}
        assert func.overloadpacket.__name__ not in waits, f"{func} waits for the device"
        if func.overloadpacket.__name__ in ("index", "index_put_"):
            assert all(index is None or index.dtype != torch.bool for index in args[1])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", NAMES)
def test_the_host_never_waits_for_the_device(name: str) -> None:
    augmentation, images = pipeline(name, "Normalize", size=(16, 16)), pictures(6, 16, 16)
    with _NoWaiting():
        augmentation(images, np.arange(6), epoch=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_nothing_waits_and_the_result_is_the_cpus(name: str) -> None:
    augmentation, images = pipeline(name, "Normalize", size=(64, 64)), pictures(6, 64, 64)
    on_gpu = images.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = augmentation(on_gpu, np.arange(6), epoch=0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(result.cpu(), augmentation(images, np.arange(6), epoch=0), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_any_uniform_numbers_give_parameters_that_apply(name: str) -> None:
    tested = operation(name, (9, 23))
    for edge in (0.0, 0.5, 1 - 2.0**-53):
        images = pictures(2, 9, 23).to(torch.float32).div(255)
        result = tested.apply(images, tested.parameters(np.full((2, tested.num_uniforms), edge)))
        assert result.shape == (2, 3, *tested.output_size)
        assert torch.isfinite(result).all()


def test_the_number_of_an_operation_is_keyed_by_its_position_in_the_list() -> None:
    draw = pipeline("RandomRotation", "ColorJitter", size=(8, 8), seed=7).draw(np.array([41]), epoch=2)
    uniforms = rng.uniforms(1, 7, rng.AUGMENT, 2, np.array([41]), 1)
    assert draw["1.angle"] == -90 + 130 * uniforms[0]
