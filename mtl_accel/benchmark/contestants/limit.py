"""The limit: the model's own arithmetic, on tensors that lie on the device already."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.loading.loader import Batch
from ...data.transforms.mixing import mixed
from ...training.run import Run
from ..clock import seconds_of

_NUM_KEPT = 4  # steps held in memory, and run through again and again


@dataclass
class _Step:
    micro_batches: list[tuple[Tensor, Batch]]  # augmented images [B, 3, h, w], and their labels
    counts: Tensor  # [T]


class Limit:
    """Forward, loss, backward, optimizer step and zero_grad of a run's own objects, and nothing else."""

    def __init__(self, run: Run) -> None:
        self.run, self.device = run, run.accelerator.device
        self.num_steps = run.train_loader.order.num_steps
        steps = itertools.islice(run.train_loader.steps(0), _NUM_KEPT)
        self._kept = [self._in_memory(batches, counts) for _, batches, counts in steps]

    def _in_memory(self, batches: list[Batch], counts: dict[str, float]) -> _Step:
        parts = []
        for batch in batches:
            images = mixed(
                self.run.pipelines.train.batched(batch.images, batch.key.augmentation_ids, 0, self.run.dtype), batch.mix
            )
            parts.append((images, batch))
        numbers = [counts[name] for name in self.run.tasks]
        return _Step(parts, torch.tensor(numbers, dtype=torch.float32, device=self.device))

    def __call__(self) -> dict[str, float]:
        return {"train": self.seconds(self.num_steps)}

    def seconds(self, num_steps: int) -> float:
        self.run.objective.train()
        return seconds_of(lambda: self._train(num_steps), self.device)

    def _train(self, num_steps: int) -> None:
        run = self.run
        for step in itertools.islice(itertools.cycle(self._kept), num_steps):
            run.balancer.begin_step(0, 1)
            run.backward.begin_step(0, 1)
            if run.backward.measures_first:
                for images, batch in step.micro_batches:
                    run.backward.measure(run.objective(images, batch.targets, batch.masks, step.counts, batch.mix))
            for index, (images, batch) in enumerate(step.micro_batches):
                output = run.objective(images, batch.targets, batch.masks, step.counts, batch.mix)
                run.backward.micro_batch(index, output)
            run.backward.finish()
            run.optimizer.step()
            run.optimizer.zero_grad(set_to_none=True)
