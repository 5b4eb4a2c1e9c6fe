"""The logits of a split: what evaluation, prediction and calibration share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from .data.augment import Augmentation
from .data.loading import Batch
from .predictions import Predictions
from .tasks import Task

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    transforms: Augmentation,
    tasks: Mapping[str, Task],
    device: torch.device,
    precision: str,
    mirrored: bool = False,
) -> Predictions:
    """What a model in evaluation mode says of batches on its device, on this process; logits in the tasks' order.

    Args:
        precision: "no", "bf16" or "fp16".
        mirrored: of the pictures with left and right exchanged.
    """
    assert not model.training
    predictions = Predictions()
    for batch in batches:
        images = transforms(batch.images, batch.key.rows, 0, DTYPES[precision])
        with torch.autocast(device.type, DTYPES[precision], enabled=precision != "no"):
            logits = model(images.flip(3) if mirrored else images)
        predictions.add(batch.ids, torch.cat([logits[name].float() for name in tasks], dim=1))
    return predictions
