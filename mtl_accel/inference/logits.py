"""Logits of a pass over a split, gathered once at its end, for evaluation, prediction and calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..core.tasks import Task
from ..data.loading.batch import Batch
from ..data.loading.sampler import PADDING
from ..data.transforms.pipeline import ImagePipeline

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def predict_logits(
    model: nn.Module,
    batches: Iterable[Batch],
    pipeline: ImagePipeline,
    tasks: Mapping[str, Task],
    device: torch.device,
    precision: str,
    mirrored: Sequence[bool] = (False,),
) -> Predictions:
    """Compute the logits of batches on this process, by a model in evaluation mode; columns in the tasks' order.

    Of several crops of an image they are the mean. It serves tasks of every kind, and losses, thresholds and metrics
    are then computed from one set of logits. One crop after another passes the model, so they take no more memory.

    Args:
        precision: "no", "bf16" or "fp16".
        mirrored: for each pass over a batch, whether left and right are exchanged. The passes' logits lie side by
            side, and so do those of the views of test-time augmentation.
    """
    assert not model.training
    predictions = Predictions()
    for batch in batches:
        passes = []
        for views in pipeline.passes(batch.images):
            total: Tensor | None = None
            for view in views:
                images = pipeline.batched(view, batch.key.rows, 0, DTYPES[precision])
                with torch.autocast(device.type, DTYPES[precision], enabled=precision != "no"):
                    outputs = [model(images.flip(3) if flips else images) for flips in mirrored]
                logits = torch.cat([output[name].float() for output in outputs for name in tasks], dim=1)
                total = logits if total is None else total + logits
            assert total is not None
            passes.append(total / len(views) if len(views) > 1 else total)
        predictions.add(batch.ids, torch.cat(passes, dim=1) if len(passes) > 1 else passes[0])
    return predictions


class Predictions:
    """Ids and logits of a pass over a split, on the device until they are gathered."""

    def __init__(self, earlier: tuple[Tensor, Tensor] | None = None) -> None:
        """`earlier`: on the main process, ids and logits of this pass that an interrupted run had gathered."""
        self.earlier = earlier
        self._ids: list[Tensor] = []
        self._logits: list[Tensor] = []

    def add(self, ids: Tensor, logits: Tensor) -> None:
        """Add one batch: ids int64 [B], logits [B, outputs]."""
        # A copy: a loader's worker shares its batch as an open file, which would stay open until the pass is over.
        self._ids.append(ids.clone())
        self._logits.append(logits)

    def gather(self, accelerator: Accelerator | None = None) -> tuple[Tensor, Tensor]:
        """Gather ids int64 [N], ascending, and logits float32 [N, outputs] of every sample; whole on the main process.

        Without an accelerator they are those of this process.
        """
        parts = [self.earlier] if self.earlier is not None else []
        if self._ids:
            # Every process holds equally many, since batches are padded: a plain gather loses and duplicates nothing.
            ids, logits = torch.cat(self._ids), torch.cat(self._logits).float()
            if accelerator is not None:
                ids, logits = accelerator.gather(ids), accelerator.gather(logits)
            parts.append((ids.cpu(), logits.cpu()))
        if not parts:
            return torch.empty(0, dtype=torch.int64), torch.empty(0, 0)
        ids = torch.cat([part[0] for part in parts])
        logits = torch.cat([part[1] for part in parts])
        order = torch.argsort(ids, stable=True)
        order = order[ids[order] != PADDING]
        return ids[order], logits[order]


def split_logits(flat: Tensor, tasks: Mapping[str, Task]) -> dict[str, Tensor]:
    """Split logits [N, sum of outputs] into one [N, C] for each task."""
    parts = flat.split([task.num_outputs for task in tasks.values()], dim=1)
    return dict(zip(tasks, parts, strict=True))
