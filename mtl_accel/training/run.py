"""The objects of a run, in one place."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator

from ..config import Config
from ..core.tasks import Task
from ..data.labels.reader import Targets
from ..data.loading.loader import EvaluationLoader, TrainingLoader
from ..inference.logits import DTYPES, Predictions
from ..objective.balancing import Balancer
from ..objective.losses import ElementLoss
from ..objective.objective import Objective
from ..runs.curves import CurvesFile
from ..runs.log import RunLog
from .loaders import Pipelines
from .optimization.ema import WeightAverage
from .optimization.schedule import Schedule
from .state import Progress
from .step.backward import Backward
from .step.batchnorm import RunningStatistics
from .step.loss_monitor import LossMonitor, SkippedSteps
from .step.progress import StepProgress


@dataclass
class Run:
    """Everything that the loop works on. `training.build` makes it."""

    config: Config
    accelerator: Accelerator
    tasks: dict[str, Task]
    losses: dict[str, ElementLoss]
    objective: torch.nn.Module  # the Objective, as Accelerate wrapped it
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    statistics: RunningStatistics
    balancer: Balancer
    backward: Backward
    average: WeightAverage | None  # of the weights; None: off
    train_loader: TrainingLoader
    validation_loader: EvaluationLoader
    train_targets: dict[str, Targets]
    validation_targets: dict[str, Targets]
    pipelines: Pipelines
    log: RunLog
    curves: CurvesFile
    loss_monitor: LossMonitor
    skipped: SkippedSteps
    shown: StepProgress
    progress: Progress = field(default_factory=Progress)
    predictions: Predictions = field(default_factory=Predictions)  # of this epoch's training samples, so far
    debugging: str | None = None  # "batches" or "overfit"
    last_save: float = field(default_factory=time.monotonic)

    @property
    def unwrapped_objective(self) -> Objective:
        """Objective without Accelerate's wrapping."""
        return self.accelerator.unwrap_model(self.objective)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the model's inputs: autocast's compute dtype, so that autocast need not cast."""
        return DTYPES[self.accelerator.mixed_precision]
