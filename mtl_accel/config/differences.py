"""Whether two configs compute the same, knob by knob."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# What may change between two starts of one run without changing what it computes.
FREE = frozenset(
    {
        "$schema",
        "description",
        "run_dir",
        "keep_last",
        "log_every_steps",
        "checkpoint_every_steps",
        "checkpoint_every_minutes",
        "trackers",
        "cpu_threads",
        "data.cache",
        "data.cache_dir",
        "data.num_workers",
    }
)


class Difference(NamedTuple):
    """A knob by its dotted path, and its values as JSON has them."""

    key: str
    before: Any
    now: Any


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The knobs that decide what a run computes and are not the same in two configs, each as a dictionary of JSON."""
    old, new = _flat(before), _flat(now)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [Difference(key, old.get(key), new.get(key)) for key in changed if key not in FREE]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{path}.{key}" if path else key).items()}
    return {path: value}
