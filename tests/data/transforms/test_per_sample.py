"""Torchvision's own transforms: a sample's result is a function of (seed, epoch, id) and its picture, here too."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from augment_cases import pictures
from torchvision.transforms import v2
from torchvision_cases import FIXED, ON_REQUEST, ONLY_UINT8, case, per_sample_of, same, train
from torchvision_cases import NAMES as WITHOUT_BATCHES

from mtl_accel.data.transforms.per_sample import SingleImageTransform
from mtl_accel.data.transforms.pipeline import ImagePipeline

# torchvision says so of JPEG, which it still has.
pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
NAMES = (*WITHOUT_BATCHES, *ON_REQUEST)
IDS = np.array([5, 0, 2**40, 3, 11, 12, 13, 1, 2, 4, 6, 7])
FLOAT = {"name": "ColorJitter", "brightness": 0.3}  # pictures leave it as floats
NAMES_AND_TYPES = [(n, before) for n in NAMES for before in ([], [FLOAT]) if not (before and n in ONLY_UINT8)]


@pytest.mark.parametrize(("name", "before"), NAMES_AND_TYPES)
def test_a_sample_is_bit_equal_alone_and_among_others_and_in_another_object(name: str, before: list[dict]) -> None:
    transforms = [*before, *case(name)]
    images = pictures(len(IDS), 16, 20)
    whole = per_sample_of(*transforms)(images, IDS, epoch=2)
    again = per_sample_of(*transforms)
    for some in ([3], [7, 0, 11]):
        assert same(again(images[some], IDS[some], epoch=2), whole[some])


@pytest.mark.parametrize(("name", "before"), NAMES_AND_TYPES)
def test_pictures_have_the_announced_size_and_stay_in_range(name: str, before: list[dict]) -> None:
    done = per_sample_of(*before, *case(name))
    images = pictures(len(IDS), 16, 20)
    kept = images.clone()
    made = done(images, IDS, epoch=0)
    assert made.shape == (len(IDS), 3, *done.output_size)
    assert made.dtype == (torch.float32 if before else torch.uint8)
    assert made.min() >= 0 and made.max() <= (1 if before else 255)
    assert torch.equal(images, kept)
    assert done.names[0] == name and len(done.stages) == len(before) + len(case(name))


@pytest.mark.parametrize("name", sorted(set(NAMES) - FIXED))
def test_seed_epoch_sample_and_position_each_change_what_is_drawn(name: str) -> None:
    images = (pictures(2, 16, 20)[1:] // 3 + 40).expand(24, -1, -1, -1)  # neither of the least contrast nor the most
    ids = np.arange(24)
    made = per_sample_of(*case(name))(images, ids, epoch=3)
    others = [
        per_sample_of(*case(name))(images, ids, epoch=4),
        per_sample_of(*case(name), seed=1)(images, ids, epoch=3),
        per_sample_of(*case(name))(images, ids + 24, epoch=3),
        per_sample_of({"name": "Identity"}, *case(name))(images, ids, epoch=3),
    ]
    assert [torch.equal(made, other) for other in others] == [False] * 4


@pytest.mark.parametrize("name", NAMES)
def test_no_other_generator_matters_and_none_is_moved(name: str) -> None:
    done, images = per_sample_of(*case(name)), pictures(len(IDS), 16, 20)
    results = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        results.append(done(images, IDS, epoch=0))
        per_sample_of(*case(name))
        assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    assert same(*results)


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_threads_changes_no_bit_and_is_put_back(name: str) -> None:
    done = per_sample_of(*([] if name in ONLY_UINT8 else [FLOAT]), *case(name), size=(200, 200))
    images, threads, results = pictures(2, 200, 200), torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(done(images, np.arange(2), epoch=1))
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    assert same(*results)


FLIP, ROTATION = {"name": "RandomHorizontalFlip"}, {"name": "RandomRotation", "degrees": [-90, 40]}
MIDDLE = {"name": "CenterCrop", "size": [12, 9]}
CROP = {"name": "RandomResizedCrop", "size": [14, 11]}
ERASING = {"name": "RandomErasing", "p": 0.7}


@pytest.mark.parametrize("before", [[], [FLIP], [ROTATION, MIDDLE], [CROP, FLIP, FLOAT]])
@pytest.mark.parametrize("behind", [[], [FLIP, MIDDLE], [ROTATION, FLOAT, CROP]])
def test_our_transforms_draw_and_give_the_same_before_and_behind_one_of_torchvision(before: list, behind: list) -> None:
    nothing = {"name": "RandomVerticalFlip", "p": 0}
    batched = ImagePipeline.from_transforms(train(*before, nothing, *behind), seed=4).batched
    pipeline = ImagePipeline.from_transforms(train(*before, {"name": "Identity"}, *behind), seed=4)
    first, rest = pipeline.per_sample, pipeline.batched
    assert first is not None
    images = pictures(len(IDS), 16, 20)
    assert torch.equal(rest(first(images, IDS, epoch=6), IDS, epoch=6), batched(images, IDS, epoch=6))
    drawn = batched.draw(IDS, epoch=6)
    assert all(np.array_equal(array, drawn[name]) for name, array in rest.draw(IDS, epoch=6).items())


def test_torchvision_gets_its_arguments() -> None:
    images = pictures(len(IDS), 16, 20)
    whole = {"name": "RandomCrop", "size": [22, 24], "padding": [1, 2, 3, 4], "fill": 9}
    done = per_sample_of(whole, {"name": "RandomInvert", "p": 1})
    assert torch.equal(done(images, IDS, epoch=0), 255 - v2.functional.pad(images, [1, 2, 3, 4], fill=9))
    done = per_sample_of({"name": "AutoAugment", "policy": "svhn", "interpolation": "bilinear", "batched": False})
    chosen = done.stages[1]
    assert isinstance(chosen, SingleImageTransform)
    assert chosen.transform.policy is v2.AutoAugmentPolicy.SVHN
    assert chosen.transform.interpolation is v2.InterpolationMode.BILINEAR


def test_sizes_may_vary_until_a_crop_makes_them_one() -> None:
    crop = {"name": "RandomCrop", "size": [12, 10], "pad_if_needed": True}
    done = per_sample_of({"name": "RandomZoomOut"}, {"name": "RandomPerspective"}, crop, ROTATION, {"name": "RGB"})
    assert done(pictures(12, 16, 20), IDS, epoch=0).shape == (12, 3, 12, 10)
