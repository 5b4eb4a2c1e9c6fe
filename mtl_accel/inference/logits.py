"""The logits of a split: what evaluation, prediction and calibration share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from ..core.tasks import Task
from ..data.loading.loader import Batch
from ..data.transforms.augment import Augmentation
from .predictions import Predictions

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    transforms: Augmentation,
    tasks: Mapping[str, Task],
    device: torch.device,
    precision: str,
    mirrored: Sequence[bool] = (False,),
) -> Predictions:
    """What a model in evaluation mode says of batches on its device, on this process; logits in the tasks' order.

    Args:
        precision: "no", "bf16" or "fp16".
        mirrored: whether left and right are exchanged, for each of the passes over a batch. The passes' logits stand
            side by side.
    """
    assert not model.training
    predictions = Predictions()
    for batch in batches:
        images = transforms(batch.images, batch.key.rows, 0, DTYPES[precision])
        with torch.autocast(device.type, DTYPES[precision], enabled=precision != "no"):
            passes = [model(images.flip(3) if flips else images) for flips in mirrored]
        predictions.add(batch.ids, torch.cat([logits[name].float() for logits in passes for name in tasks], dim=1))
    return predictions
