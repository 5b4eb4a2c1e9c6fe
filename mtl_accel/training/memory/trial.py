"""One step of a run on this process alone, at any size, to see whether it fits the memory."""

from __future__ import annotations

import gc
import os

import torch
from accelerate import Accelerator

from ...config import Config
from ...core.memory import available_bytes
from ...data.labels.dataset import LabeledDataset
from ...data.loading.loader import EvaluationLoader, TrainingLoader, TrainingOrder
from ...data.transforms.mixing import mixed
from ...inference.logits import DTYPES, predict_logits
from ...launching.allocator import return_freed_memory
from ...objective.losses import build_training_losses
from ..build import build_objective
from ..loaders import Pipelines, build_loaders
from ..optimization.ema import WeightAverage
from ..optimization.optimizers import build_optimizer
from ..optimization.parameter_groups import parameter_groups
from ..step.task_gradients import TaskGradients
from .out_of_memory import count_kept_bytes, is_out_of_memory

_SMALL = 2  # samples of the step that is measured: BatchNorm cannot do with one
_SLACK = 1.5  # times what a forward pass keeps: the backward pass makes gradients of it


class Trial:
    """Network, losses, optimizer and first batches of a run, without any other process.

    Nothing of it is left in the run, which builds everything anew from its seed.
    """

    def __init__(
        self,
        config: Config,
        pipelines: Pipelines,
        accelerator: Accelerator,
        labelled: LabeledDataset,
        micro_batch_size: int,
    ) -> None:
        """Build the objects of a run. A frozen backbone trains, as it does in later epochs; nothing is compiled."""
        model = config.model.model_copy(update={"freeze_backbone_epochs": 0})
        config = config.model_copy(update={"model": model, "compile": False})
        self.config, self.pipelines, self.accelerator, self.tasks = config, pipelines, accelerator, labelled.tasks
        losses = build_training_losses(config.tasks, labelled.tasks, labelled.targets["train"])
        train, validation = build_loaders(config, pipelines, accelerator, labelled, micro_batch_size)
        self.train, self.validation = train.data, validation.data
        self.objective = build_objective(config, labelled, accelerator, losses, 1).to(accelerator.device)
        self.optimizer = build_optimizer(
            config.optimizer, parameter_groups(self.objective, self.objective.model, config)
        )
        self.average = None if config.ema_decay is None else WeightAverage(self.objective.model, config.ema_decay)
        self._bytes_per_sample = 0.0

    def fits(self, size: int) -> bool:
        """Whether a step and an evaluation of `size` samples do not run out of memory.

        A CPU has no such error: the system ends a process that takes too much. There the bytes that a small forward
        pass keeps say first whether it is worth trying.
        """
        on_cpu = self.accelerator.device.type == "cpu"
        try:
            if on_cpu and not self._bytes_per_sample:
                self._bytes_per_sample = self._train_step(_SMALL) / _SMALL
            if on_cpu and size * self._bytes_per_sample * _SLACK > _free_bytes():
                return False
            self._train_step(size)
            self._evaluate(size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            gc.collect()
            if self.accelerator.device.type == "cuda":
                torch.cuda.empty_cache()
            else:
                return_freed_memory()
        return True

    def _train_step(self, size: int) -> int:
        """Make a step; returns the bytes that its forward pass kept for the backward pass."""
        device, objective = self.accelerator.device, self.objective.train()
        order = TrainingOrder(len(self.train.pixels), size, size, self.config.seed)
        _, (batch,), counts = next(TrainingLoader(self.train, order, 0, 1, 0, device).steps(0))
        labelled = torch.tensor([counts[name] for name in self.tasks], dtype=torch.float32, device=device)
        objective.balancer.begin_step(0, 0)
        dtype = DTYPES[self.accelerator.mixed_precision]
        with self.accelerator.autocast(), count_kept_bytes(objective.parameters()) as kept:
            images = self.pipelines.train.batched(batch.images, batch.key.augmentation_ids, 0, dtype)
            output = objective(mixed(images, batch.mix), batch.targets, batch.masks, labelled, batch.mix)
        where, losses = getattr(self.config.balancing, "where", None), output.weighted_losses
        if losses is not None and where != "features":  # a gradient for each task
            gradients = TaskGradients(objective.model, list(self.tasks), heads=where == "shared")
            gradients.add(0, 1, 1, losses, keep_graph=where is None)
        if where != "shared":
            output.total.backward()
        self.optimizer.step()
        if self.average is not None:
            self.average.update(0)
        return sum(kept.values())

    def _evaluate(self, size: int) -> None:
        device, precision = self.accelerator.device, self.accelerator.mixed_precision
        batch = next(iter(EvaluationLoader(self.validation, size, 0, 1, 0, device)))
        model = self.objective.eval().model
        predict_logits(model, [batch], self.pipelines.eval, self.tasks, device, precision)


def _free_bytes() -> float:
    """This process's share of the memory that the processes of this machine could still take."""
    return available_bytes() / int(os.environ.get("LOCAL_WORLD_SIZE", 1))
