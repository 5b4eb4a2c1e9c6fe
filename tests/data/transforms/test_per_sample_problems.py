"""What torchvision refuses is told before training, with the place, the value and its own words."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from augment_cases import pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision_cases import NAMES, case, per_sample_of

from mtl_accel.core.errors import UserError
from mtl_accel.training import loaders

# torchvision says so of JPEG, which it still has.
pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
FLOAT, ROTATION = {"name": "ColorJitter", "hue": 0.1}, {"name": "RandomRotation", "degrees": [0, 9]}


def problems(*transforms: dict) -> list[str]:
    with pytest.raises(UserError) as caught:
        per_sample_of(*transforms)
    return caught.value.problems


@pytest.mark.parametrize(
    ("transforms", "parts"),
    [
        (
            [{"name": "RandomPerspective", "distorsion_scale": 0.3}],
            ["train.1: RandomPerspective", '{"distorsion_scale": 0.3}', "unexpected keyword", "distortion_scale, p"],
        ),
        ([ROTATION, {"name": "JPEG"}], ["train.2: JPEG with {}", "missing", "quality"]),
        ([{"name": "GaussianBlur", "kernel_size": 4}], ["train.1", '{"kernel_size": 4}', "odd"]),
        (
            [{"name": "RandomAffine", "degrees": 3, "interpolation": "cubic"}],
            ["train.1", "'cubic'", "Interpolation"],
        ),
        ([{"name": "AugMix", "interpolation": "x"}], ["train.1", "'x'", "InterpolationMode"]),
        ([{"name": "RandomCrop", "size": 99}], ["train.1", '{"size": 99}', "[16, 20] in uint8", "larger than input"]),
        ([{"name": "RandomPerspective", "p": 1, "fill": [1, 2]}], ["train.1", '"fill": [1, 2]', "[16, 20]"]),
        ([FLOAT, {"name": "JPEG", "quality": 5}], ["train.2", "float32", "in front of", "uint8"]),
        (
            [{"name": "RandomCrop", "size": 9}, {"name": "CenterCrop", "size": [9, 10]}],
            ["train.2.size", "[9, 10]", "[9, 9]"],
        ),
        (
            [{"name": "RandomCrop", "size": 9}, {"name": "CenterCrop", "size": [10, 9]}, {"name": "RGB"}],
            ["train.2.size", "a crop of [10, 9]", "[9, 9]"],
        ),
        ([{"name": "Grayscale"}], ["train.1", "[1, 16, 20]", '"num_output_channels": 3']),
    ],
)
def test_what_torchvision_refuses_is_told_with_place_value_and_its_words(transforms, parts):
    (message,) = problems(*transforms)
    assert [part for part in ("transforms.train.", *parts) if part not in message] == []


def test_all_refused_arguments_are_told_at_once():
    found = problems({"name": "JPEG"}, {"name": "RGB"}, {"name": "RandomCrop", "siz": 1}, {"name": "RandomPosterize"})
    assert [message.split(":")[0] for message in found] == [f"transforms.train.{at}" for at in (1, 3, 4)]


@pytest.mark.parametrize("behind", [[], [{"name": "RandomPerspective"}], [ROTATION, {"name": "RGB"}]])
@pytest.mark.parametrize(
    "transform",
    [
        {"name": "RandomZoomOut", "p": 1e-6},  # so rare that only certain dry runs see it
        {"name": "ScaleJitter", "target_size": [16, 16], "scale_range": [0.5, 2]},
        {"name": "RandomShortestSize", "min_size": [8, 9]},
    ],
)
def test_pictures_of_several_sizes_are_told_by_the_transform_that_makes_them(transform, behind):
    (message,) = problems({"name": "Identity"}, transform, *behind)
    assert message.startswith(f"transforms.train.2: {transform['name']} with ")
    assert "several sizes" in message and "RandomCrop" in message


def test_a_size_that_no_dry_run_met_is_told_in_training():
    done = per_sample_of({"name": "RandomShortestSize", "min_size": [2] * 300 + [4]}, {"name": "RGB"}, size=(2, 2))
    with pytest.raises(UserError, match=r"transforms\.train\.1: RandomShortestSize .*\[2, 2\] and \[4, 4\]"):
        done(pictures(1, 2, 2).expand(3000, -1, -1, -1), np.arange(3000), epoch=0)


small = st.none() | st.booleans() | st.integers(-40, 40) | st.floats(-40, 40) | st.text(max_size=5)
values = st.recursive(small, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner))
KEYS = ("p", "size", "fill", "degrees", "scale", "sigma", "kernel_size", "padding", "interpolation", "policy", "zzz")


@settings(max_examples=100)
@given(name=st.sampled_from(NAMES), arguments=st.dictionaries(st.sampled_from(KEYS), values, max_size=2))
def test_no_argument_ends_in_another_error(name, arguments):
    first, *crop = case(name)
    try:
        per_sample_of({**first, **arguments}, *crop, size=(6, 6))
    except UserError as error:
        assert all(problem.startswith("transforms.train.") for problem in error.problems)


def test_a_cache_on_a_gpu_gives_way_to_the_disk_and_says_why(caplog):
    done, gpu, cpu = per_sample_of({"name": "RGB"}), torch.device("cuda", 0), torch.device("cpu")
    with caplog.at_level(logging.WARNING, logger=loaders.__name__):
        assert loaders.cache_in_use("device", gpu, None) == "device"
        assert loaders.cache_in_use("device", cpu, done) == "device"
        assert loaders.cache_in_use("none", gpu, done) == "none"
        assert caplog.records == []
        assert loaders.cache_in_use("device", gpu, done) == "disk"
    (record,) = caplog.records
    assert "RGB" in record.getMessage() and "cannot read pictures from cuda:0" in record.getMessage()
