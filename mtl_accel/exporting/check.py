"""Compare an exported model with the model of the run, on pictures of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..core import rng
from ..core.errors import UserError
from ..core.tasks import Task
from ..data.labels.dataset import read_dataset
from ..data.loading.broken_images import skip_broken_images
from ..data.loading.decoding_notes import collect_notes
from ..data.loading.pixels import DecodedPixels
from ..models.base import Pair
from ..runs.model_folder import ModelDescription

NUM_PICTURES = 64
TOLERANCE = 1e-4  # of a probability; of a regression's value relative to it, where it is above 1

Runner = Callable[[Tensor], Mapping[str, np.ndarray]]  # uint8 [B, 3, H, W] -> {task: float32 [B, C]}


def sample_images(config: Config, description: ModelDescription) -> tuple[Tensor, str]:
    """Images to check on, uint8 [64, 3, H, W], and in words where they come from.

    They are of the run's validation split, or noise where its data are not there any more.
    """
    try:
        labelled = read_dataset(config)
        if config.data.on_bad_image == "skip":
            labelled = skip_broken_images(labelled, config, ("validation",))
        split = labelled.splits["validation"]
        rows = np.arange(NUM_PICTURES) % len(split)
        with collect_notes():  # they were said when the run read the pictures
            read = DecodedPixels(split, description.pipeline.cached, "validation").read(rows)
        images = loaded(read, description)
        few = f", each of the {len(split)} more than once" if len(split) < NUM_PICTURES else ""
        return images, f"{NUM_PICTURES} validation pictures{few}"
    except UserError as error:
        reason = f"since the validation pictures cannot be read ({error.problems[0]})"
        return noise(description.pipeline.loaded_shape), f"{NUM_PICTURES} pictures of noise, {reason}"


def loaded(images: Tensor | list[Tensor], description: ModelDescription) -> Tensor:
    """Images as the loader gives them: uint8 [B, 3, H, W], or [B, crops, 3, h, w]."""
    per_sample = description.pipeline.per_sample
    if per_sample is not None:
        images = per_sample(images, np.arange(len(images)), 0)
    assert isinstance(images, Tensor)
    return images


def noise(image_shape: tuple[int, ...]) -> Tensor:
    """Noise, uint8 [64, *image_shape], in each picture of another colour, so that a model tells them apart."""
    shape = (NUM_PICTURES, *image_shape)
    grain = rng.random_bits(0, np.arange(np.prod(shape))).astype(np.uint8).reshape(shape)
    colours = (
        rng.random_bits(1, np.arange(NUM_PICTURES * 3))
        .astype(np.uint8)
        .reshape(NUM_PICTURES, *(1,) * (len(image_shape) - 3), 3, 1, 1)
    )
    return torch.from_numpy((grain * (colours / 255)).astype(np.uint8))


def expected_outputs(model: Pair, description: ModelDescription, images: Tensor) -> dict[str, np.ndarray]:
    """Outputs of a model on the CPU by the code of training, in float32: {task: float64 [B, C]}."""
    model, pipeline = model.to(memory_format=torch.channels_last), description.pipeline
    with torch.no_grad():
        views = [model(pipeline.batched(view)) for view in pipeline.views(images)]
    logits = {name: torch.stack([outputs[name] for outputs in views]).mean(0).numpy() for name in description.tasks}
    return {name: task.probabilities(logits[name]) for name, task in description.tasks.items()}


def max_difference(run: Runner, images: Tensor, expected: Mapping[str, np.ndarray], tasks: Mapping[str, Task]) -> float:
    """Largest difference from the expected outputs, with all pictures in one batch and with each alone.

    Raises:
        UserError: the difference is not below the tolerance.
    """
    alone = [run(image[None]) for image in images]
    found = {
        f"in a batch of {len(images)}": run(images),
        "each alone": {name: np.concatenate([values[name] for values in alone]) for name in tasks},
    }
    differences = {
        (name, how): _difference(values[name], expected[name]) for how, values in found.items() for name in tasks
    }
    problems = [
        f"tasks.{name}: the exported model differs by {difference:.3g} from the run's, on pictures {how}; it must be "
        f"below {TOLERANCE:g}. Nothing was written; try another --format, or other versions of torch and onnx"
        for (name, how), difference in differences.items()
        if not difference < TOLERANCE  # so that NaN is one
    ]
    if problems:
        raise UserError(problems)
    return max(differences.values())


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape, f"{found.shape} for {expected.shape}"
    return float(np.max(np.abs(found - expected) / np.maximum(1.0, np.abs(expected))))
