"""Any class or function that makes a module, as a backbone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from ...core.errors import UserError
from ..weight_files import find_local_file
from ..weights import load_backbone_file

_ARGUMENTS = ("weights", "as_map")


def with_backbone_arguments(make: Callable[..., nn.Module], name: str) -> Callable[[str | None, bool], nn.Module]:
    """Give a maker of modules the arguments of `Backbone.build`, of which it may take both, one or none.

    A module whose maker does not take `weights` gets them from a local file afterwards.

    Raises:
        UserError: the maker needs an argument that is neither of them.
    """
    parameters = inspect.signature(make).parameters.values()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    taken = [key for key in _ARGUMENTS if takes_all or any(parameter.name == key for parameter in parameters)]
    if needed := [str(p) for p in parameters if p.name not in taken and _is_needed(p)]:
        raise UserError(
            f"needs {', '.join(needed)}, which no config gives; a backbone takes weights and as_map, or one of them, "
            "or nothing: give the others a default"
        )

    def build(weights: str | None, as_map: bool) -> nn.Module:
        given: dict[str, Any] = {"weights": weights, "as_map": as_map}
        module = make(**{key: given[key] for key in taken})
        if weights is not None and "weights" not in taken:
            load_backbone_file(module, find_local_file(weights, (), name), source=weights, network=name)
        return module

    return build


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )
