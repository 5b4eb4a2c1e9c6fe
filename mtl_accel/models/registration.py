"""Networks, backbones and heads that plugins register."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from ..config.base import Section
from ..config.extension.parts import Table, refuse, require_subclass
from ..config.sections.model import ModelConfig
from ..core.errors import UserError
from ..core.plugins import registrations
from ..core.plugins.registrations import Registration, calling_module
from . import BACKBONES, HEADS, MODELS
from .backbones import MIN_SIZE, Backbone
from .backbones.any_module import with_backbone_arguments
from .base import Pair
from .head_types import HeadType

PairT = TypeVar("PairT", bound=type[Pair])
BuildT = TypeVar("BuildT", bound=Callable[..., nn.Module])


def register_model(name: str, *, config: type[ModelConfig] | None = None) -> Callable[[PairT], PairT]:
    """Register the decorated class as the network `name`, for `model.name`.

    It is a subclass of `mtl_accel.Pair`, whose docstring says what training relies on. Its arguments are {task: number
    of outputs}, the weights of the backbone, and the knobs of its own by their names:
    `def __init__(self, num_outputs, weights=None, width=32)`.

    Args:
        config: its section, a subclass of `mtl_accel.ModelConfig` with `name: Literal[NAME]` and its own knobs beside
            those of every network. None: a network without knobs of its own.

    Raises:
        UserError: the name is taken, or the class or its section is wrong.
    """
    module = calling_module()

    def decorate(pair: PairT) -> PairT:
        require_subclass("model", name, pair, Pair, module)
        Table("model", MODELS, ModelConfig, ("model",)).register(name, pair, config, module)
        return pair

    return decorate


def register_backbone(
    name: str,
    *,
    gives_map: bool = False,
    only_size: tuple[int, int] | None = None,
    min_size: int = MIN_SIZE,
) -> Callable[[BuildT], BuildT]:
    """Register the decorated class or function as the backbone `name`, for `model.backbone` with any head.

    It makes a module from normalized float images [B, 3, H, W] to one tensor: features [B, F], or a feature map
    [B, F, h, w]. Its arguments are none, or one or both of `weights`, as in `model.weights`, and `as_map`, whether a
    head reads a feature map. Without `weights` the module gets those of a local file afterwards.

    Args:
        gives_map: whether it gives a feature map, always or if asked for one; else heads of a feature map are refused.
        only_size: [height, width] of the only images that it takes; None: any of at least `min_size` pixels.

    Raises:
        UserError: the name is taken, or it needs another argument.
    """
    module = calling_module()

    def decorate(build: BuildT) -> BuildT:
        said = (build.__doc__ or name).strip().partition("\n")[0]
        make = _with_arguments(build, name, module)
        record = Backbone(make, said, only_size=only_size, min_size=min_size, gives_map=gives_map)

        def add() -> None:
            BACKBONES[name] = record

        def remove() -> None:
            BACKBONES.pop(name, None)

        built_in = [key for key in BACKBONES if registrations.find("backbone", key) is None]
        registration = Registration("backbone", name, record, module, add=add, remove=remove, function=build)
        registrations.register(registration, built_in)
        return build

    return decorate


def _with_arguments(build: BuildT, name: str, module: str) -> Callable[[str | None, bool], nn.Module]:
    try:
        return with_backbone_arguments(build, name)
    except UserError as error:
        refuse("backbone", name, build, module, error.problems[0])


def register_head(
    name: str, *, config: type[Section] | None = None, reads_map: bool = False
) -> Callable[[BuildT], BuildT]:
    """Register the decorated function or class as the head `name`, for `model.head` and `tasks.NAME.head`.

    It takes the number of features, the number of outputs and its knobs by their names. It returns a module from
    features [B, F] to logits [B, outputs].

    Args:
        config: its section, a subclass of `mtl_accel.Section` with `name: Literal[NAME]` and its knobs; None: a head
            without knobs.
        reads_map: whether the module reads a feature map [B, F, h, w] in place of features.

    Raises:
        UserError: the name is taken, or the section is wrong.
    """
    module = calling_module()

    def decorate(build: BuildT) -> BuildT:
        record = HeadType(build, (build.__doc__ or name).strip().partition("\n")[0], reads_map)
        Table("head", HEADS, Section, ("head",)).register(name, record, config, module, function=build)
        return build

    return decorate
