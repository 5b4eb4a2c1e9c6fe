"""Transforms that plugins register."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...config.base import Section
from ...config.extension.parts import Table, require_subclass
from ...core.plugins.registrations import calling_module
from .augment import AUGMENTATIONS
from .base import Operation

OperationT = TypeVar("OperationT", bound=type[Operation])


def register_transform(name: str, *, config: type[Section] | None = None) -> Callable[[OperationT], OperationT]:
    """Register the decorated class as the transform `name`, for `transforms.train`, before Normalize.

    It is a subclass of `mtl_accel.Operation`, which transforms whole batches on the device. `parameters` turns uniform
    numbers [B, num_uniforms] into the parameters of each sample, on the host, and draws nothing by itself; `apply`
    changes pixels by them. To keep runs exact, what happens to a sample must not depend on the others of its batch, to
    the last bit, nor on anything but its parameters. The pictures keep their size.

    Args:
        config: its section, a subclass of `mtl_accel.Section` with `name: Literal[NAME]` and its knobs; None: a
            transform without knobs.

    Raises:
        UserError: the name is taken, or the class or its section is wrong.
    """
    module = calling_module()

    def decorate(operation: OperationT) -> OperationT:
        require_subclass("transform", name, operation, Operation, module)
        Table("transform", AUGMENTATIONS, Section, ("transform",)).register(name, operation, config, module)
        return operation

    return decorate
