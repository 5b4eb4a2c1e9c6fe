"""The first epochs of a run, in which the heads train and the backbone is frozen."""

from __future__ import annotations

from torch.nn.parallel import DistributedDataParallel

from ..config import Config
from ..launching.accelerator import wrap
from ..models.base import Pair
from .optimization.optimizers import complete_momentum
from .run import Run


def freeze(pair: Pair, config: Config) -> None:
    """Freeze the backbone before Accelerate wraps the model, so that DDP sums the gradients of the heads alone."""
    if config.model.freeze_backbone_epochs:
        pair.backbone.requires_grad_(False)


def begin_epoch(run: Run) -> None:
    """Set the model's modes for the epoch, and let the backbone train from its first epoch on.

    A frozen backbone is in evaluation mode: BatchNorm uses its running statistics and leaves them as they are, and
    nothing is dropped out. Its parameters have no gradient, so that no optimizer moves them, decays them or keeps
    state for them.
    """
    backbone = run.unwrapped_objective.model.backbone
    frozen = run.progress.epoch < run.config.model.freeze_backbone_epochs
    if run.config.model.freeze_backbone_epochs and not frozen:
        _unfreeze(run)
    complete_momentum(run.optimizer)
    run.objective.train()
    if frozen:
        backbone.eval()


def _unfreeze(run: Run) -> None:
    """Let the backbone train. DDP only knows the parameters that had gradients when it was made, and is made anew."""
    if all(parameter.requires_grad for parameter in run.unwrapped_objective.model.backbone.parameters()):
        return
    run.unwrapped_objective.model.backbone.requires_grad_(True)
    if isinstance(run.objective, DistributedDataParallel):
        run.objective = run.accelerator.unwrap_model(run.objective, keep_fp32_wrapper=False)
        run.accelerator.free_memory()  # lets go of the old wrapper, whose hooks would stay on the heads
        # Where they are, they stay: moving would put new tensors in the place of buffers that others hold.
        run.objective, run.optimizer = wrap(run.accelerator, run.objective, run.optimizer, moves=False)
