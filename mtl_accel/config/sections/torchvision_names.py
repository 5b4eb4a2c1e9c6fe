"""Torchvision's other transforms, by name: accepted without a section of their own for each."""

from __future__ import annotations

from typing import Literal

from ..base import WithArguments

# Those of torchvision.transforms.v2 that make one picture of one picture. They are written down, so that reading a
# config does not import torchvision; a test compares the list with what is installed.
TorchvisionName = Literal[
    "AugMix",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Identity",
    "JPEG",
    "RGB",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomCrop",
    "RandomEqualize",
    "RandomInvert",
    "RandomPerspective",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomResize",
    "RandomShortestSize",
    "RandomSolarize",
    "RandomZoomOut",
    "ScaleJitter",
]


class TorchvisionTransform(WithArguments):
    """Any of torchvision.transforms.v2's other transforms. The keys beside the name are its arguments, which
    torchvision checks before training. It runs in the loader's workers, one picture after another: slower than the
    transforms above. Fills and thresholds are in 0..255, or in 0..1 after a transform above that makes floats.
    """

    name: TorchvisionName
