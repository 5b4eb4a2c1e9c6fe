"""Whether two configs compute the same, knob by knob."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from .base import NAME, PLACE, RECORD, SPEED, Affects
from .whole import Config


@functools.cache
def knobs_that_affect(*effects: Affects) -> tuple[str, ...]:
    """The knobs with one of these marks, by their dotted paths, in the order of the file."""
    return tuple(_marked(Config, frozenset(effects)))


def _marked(model: type[BaseModel], effects: frozenset[Affects], path: str = "") -> Iterator[str]:
    for key, field in model.model_fields.items():
        here = f"{path}{field.alias or key}"
        if effects & {mark for mark in field.metadata if isinstance(mark, Affects)}:
            yield here
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _marked(field.annotation, effects, f"{here}.")


def host_knobs() -> frozenset[str]:
    """The knobs that may differ between the hosts of a run. The data are compared by their content."""
    return frozenset({*knobs_that_affect(NAME, PLACE, SPEED), "data.source"})


class Difference(NamedTuple):
    """A knob by its dotted path, and its values as JSON has them."""

    key: str
    before: Any
    now: Any


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The knobs that decide what a run computes and are not the same in two configs, each as a dictionary of JSON."""
    old, new = flatten(before), flatten(now)
    free = knobs_that_affect(NAME, PLACE, SPEED, RECORD)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [Difference(key, old.get(key), new.get(key)) for key in changed if key not in free]


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Values of JSON by their dotted paths; an empty object is a value."""
    if isinstance(value, Mapping) and value:
        return {
            k: v for key, inner in value.items() for k, v in flatten(inner, f"{path}.{key}" if path else key).items()
        }
    return {path: value}
