"""Callbacks: a user's own code at fixed points of a run, which may look at all of it and changes nothing."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from ..config import Config
from ..core import atomic_io
from ..core.errors import UserError
from .run import Run

HOOKS = ("on_start", "on_step_end", "on_epoch_end", "on_checkpoint", "on_end")
STOP = "stop"
_OF_THE_MAIN_PROCESS = ("on_epoch_end", "on_end")  # which alone knows their metrics


@dataclass(frozen=True)
class RunInfo:
    """A run as a callback sees it.

    Attributes:
        config: of the run.
        folder: the run folder.
        epoch: of the last step that is done, from 1; 0 before the first one.
        step: the steps of that epoch that are done.
        num_steps: of a whole epoch.
        lr: the learning rate that the schedule has set for what comes next.
        metrics: by the names that trackers get. After a step: "step/loss", "step/category/loss", "step/lr",
            "step/gradient_norm", "step/images_per_second" every `log_every_steps`, else nothing, since reading them
            waits for the device. After an epoch: "train/loss", "validation/category/accuracy" and so on. At the end:
            those of the best epoch, "best/category/accuracy". All but images_per_second are equal on every process.
        model: the network with the weights that validation uses (the average, with `ema_decay`), in evaluation mode.
        checkpoint: the folder of the checkpoint that was written; None but in `on_checkpoint`.
        status: "finished" or "stopped" in `on_end`, else "running".
        process_index: of this process, from 0.
    """

    config: Config
    folder: Path
    epoch: int
    step: int
    num_steps: int
    lr: float
    metrics: Mapping[str, float]
    model: nn.Module
    checkpoint: Path | None
    status: str
    process_index: int
    _stop: Callable[[], None] = field(repr=False)
    _say: Callable[[str], None] = field(repr=False)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes the run folder."""
        return self.process_index == 0

    def stop(self) -> None:
        """Ask the run to stop, as a signal does: within two steps, saved, and the same call resumes it."""
        self._stop()

    def say(self, text: str) -> None:
        """Write a text to the console and to log.txt; nothing on any but the main process."""
        self._say(text)


class Callback:
    """Base class of callbacks: override what you need. Every process of the run calls them, each with its own object.

    A callback may look at everything, draw random numbers, and run the model: it gets it in evaluation mode and without
    gradients (`torch.enable_grad()` brings those of images), and the run's modes are put back. It may not change
    weights or buffers, nor run a backward pass into them, which DDP would take for one of the run: both end the run
    with an error. What it returns is None, or "stop", which is `info.stop()`.

    An exception ends the run with a UserError that holds its traceback; no epoch is lost that was done by then.
    """

    def on_start(self, info: RunInfo) -> str | None:
        """Called before the first step of the run, and of each resumed one."""

    def on_step_end(self, info: RunInfo) -> str | None:
        """Called after each optimizer step."""

    def on_epoch_end(self, info: RunInfo) -> str | None:
        """Called after each epoch, when its metrics are known and its checkpoint is written."""

    def on_checkpoint(self, info: RunInfo) -> str | None:
        """Called after each checkpoint; on any but the main process it may not be whole yet."""

    def on_end(self, info: RunInfo) -> str | None:
        """Called when the run has finished, with its model written, or has been stopped; not after an error."""


class Callbacks:
    """The callbacks of a run, by hook.

    Args:
        callbacks: called in this order.
        request_stop: what `RunInfo.stop` calls, with the reason.

    Raises:
        UserError: one of them is no Callback.
    """

    def __init__(
        self, callbacks: Sequence[Callback] = (), request_stop: Callable[[str], None] = lambda reason: None
    ) -> None:
        if not isinstance(callbacks, Sequence):
            raise UserError(f"callbacks: {callbacks!r} is no list; give a list of objects")
        rule = "is no object of a subclass of mtl_accel.Callback; make it one"
        strangers = [callback for callback in callbacks if not isinstance(callback, Callback)]
        if strangers:
            raise UserError([f"callbacks: {callback!r} {rule}" for callback in strangers])
        self.names = [type(callback).__name__ for callback in callbacks]
        self._request_stop = request_stop
        # A hook that is not overridden costs nothing, and without callbacks none does.
        self._by_hook = {
            hook: [each for each in callbacks if getattr(type(each), hook) is not getattr(Callback, hook)]
            for hook in HOOKS
        }

    def call(
        self,
        hook: str,
        run: Run,
        metrics: Mapping[str, float] | None = None,
        *,
        checkpoint: Path | None = None,
        status: str = "running",
    ) -> None:
        """Call a hook of all callbacks. Every process calls it, between two steps.

        Args:
            metrics: those of the whole split are known to the main process alone, and are sent to the others.

        Raises:
            UserError: one of them raised an exception, or changed the model.
        """
        if not self._by_hook[hook]:
            return
        known = dict(metrics or {})
        if hook in _OF_THE_MAIN_PROCESS:
            known = broadcast_object_list([known])[0]
        view = _view(run, known, checkpoint, status)
        for callback in self._by_hook[hook]:
            name = f"callback {type(callback).__name__}.{hook}"
            info = replace(view, _stop=partial(self._request_stop, name))
            with _left_unchanged(run, name):
                answer = _call(getattr(callback, hook), info, name)
            if answer == STOP:
                info.stop()
            elif answer is not None:
                raise UserError(f'{name} returned {answer!r}; return None, or "{STOP}" to stop the run')


NO_CALLBACKS = Callbacks()


def _view(run: Run, metrics: dict[str, float], checkpoint: Path | None, status: str) -> RunInfo:
    progress, num_steps = run.progress, run.train_loader.order.num_steps
    finished = progress.epoch, num_steps if progress.epoch else 0
    epoch, step = (progress.epoch + 1, progress.step) if progress.step else finished
    return RunInfo(
        config=run.config,
        folder=Path(run.config.run_dir),
        epoch=epoch,
        step=step,
        num_steps=num_steps,
        lr=run.schedule.lr,
        metrics=MappingProxyType(metrics),
        model=run.unwrapped_objective.model,
        checkpoint=None if checkpoint is None else atomic_io.follow_link(checkpoint),
        status=status,
        process_index=run.accelerator.process_index,
        _stop=lambda: None,
        _say=run.log.say,
    )


def _call(function: Callable[[RunInfo], str | None], info: RunInfo, name: str) -> str | None:
    try:
        return function(info)
    except UserError:
        raise
    except Exception as error:
        # The user's own code: where it went wrong is what they need, and the frames of this package are not.
        after = error.__traceback__.tb_next if error.__traceback__ is not None else None
        lines = "".join(traceback.format_exception(type(error), error, after)).rstrip()
        raise UserError(f"{name}: {type(error).__name__}: {error}\n{lines}") from error


@contextmanager
def _left_unchanged(run: Run, name: str) -> Iterator[None]:
    """Give the model the weights of validation, and put back what a look at it may leave behind.

    Random numbers need no care: all of the run's are keyed (core.rng), and none depends on a state.

    Raises:
        UserError: a weight or a buffer was changed or replaced, as by a forward pass in training mode, or a weight has
            a gradient.
    """
    model = run.unwrapped_objective.model
    averaged = contextlib.nullcontext() if run.average is None else run.average.applied()
    with averaged, torch.no_grad():
        modes = [(module, module.training) for module in model.modules()]
        trained = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
        before = _versions(model)
        model.eval().requires_grad_(False)
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for parameter, requires_grad in trained:
                parameter.requires_grad = requires_grad
        after = _versions(model)
        graded = [key for key, parameter in model.named_parameters() if parameter.grad is not None]
    _require_nothing(f"{name} changed", [key for key in {**before, **after} if before.get(key) != after.get(key)])
    _require_nothing(f"{name} ran a backward pass into", graded)


def _require_nothing(what: str, names: Sequence[str]) -> None:
    if names:
        raise UserError(
            f"{what} {names[0]} of the model{f' and {len(names) - 1} more' if names[1:] else ''}: a callback may look "
            "at the model, and the run must not depend on it; work on a copy (copy.deepcopy)"
        )


def _versions(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Identity of each weight and buffer, and how often it was written in place, which PyTorch counts for autograd."""
    named: dict[str, Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: (id(tensor), tensor._version) for name, tensor in named.items()}
