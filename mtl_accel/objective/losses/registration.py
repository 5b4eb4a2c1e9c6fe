"""Losses that plugins register."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar, get_args

from ...config.base import Section
from ...config.extension.parts import Table, refuse
from ...core.plugins.registrations import calling_module
from ...core.tasks import Kind, Link
from . import LOSSES
from .element import ElementLoss

LossT = TypeVar("LossT", bound=Callable[[Any], ElementLoss])


def register_loss(
    name: str, *, kind: Kind | Collection[Kind], config: type[Section] | None = None
) -> Callable[[LossT], LossT]:
    """Register the decorated function as the loss `name`, for `tasks.NAME.loss` of some kinds of tasks.

    The function takes the section and returns a function of logits [B, C] and target ([B] of classes, int64; [B, C] of
    labels or numbers) to the loss of each element, of the target's shape. It must neither mask, sum nor average: that
    is done over the labelled elements of all processes. It is called in float32 while training, and in float64 on the
    CPU to score a split, and must not depend on the other samples of the batch.

    Args:
        kind: "multiclass", "ordinal", "multilabel" or "regression", or several of these.
        config: the section, a subclass of `mtl_accel.Section` with `name: Literal[NAME]` and its knobs; that of an
            ordinal loss says by a class variable `link` how the outputs give probabilities: "cumulative" or
            "conditional". None: a loss without knobs.

    Raises:
        UserError: the name is taken, or the section or a kind is wrong.
    """
    module = calling_module()
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)

    def decorate(loss: LossT) -> LossT:
        if unknown := [str(k) for k in kinds if k not in get_args(Kind)]:
            refuse("loss", name, loss, module, f"kind {', '.join(unknown)} is none of {', '.join(get_args(Kind))}")
        if "ordinal" in kinds and getattr(config, "link", None) not in get_args(Link):
            refuse("loss", name, loss, module, f"its section needs link: ClassVar, one of {', '.join(get_args(Link))}")
        Table("loss", LOSSES, Section, tuple(f"{k} loss" for k in kinds)).register(name, loss, config, module)
        return loss

    return decorate
