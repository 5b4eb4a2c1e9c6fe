"""Whether two configs compute the same, knob by knob."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# What belongs to one host of a run: where its files lie there, and how much of the machine it takes.
OF_A_HOST = frozenset(
    {
        "$schema",
        "description",
        "run_dir",
        "cpu_threads",
        "data.source",  # the data are compared by what is in them
        "data.cache",
        "data.cache_dir",
        "data.num_workers",
    }
)
# What may change between two starts of one run without changing what it computes.
FREE = OF_A_HOST - {"data.source"} | {
    "keep_last",
    "log_every_steps",
    "checkpoint_every_steps",
    "checkpoint_every_minutes",
    "trackers",
}


class Difference(NamedTuple):
    """A knob by its dotted path, and its values as JSON has them."""

    key: str
    before: Any
    now: Any


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The knobs that decide what a run computes and are not the same in two configs, each as a dictionary of JSON."""
    old, new = flat(before), flat(now)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [Difference(key, old.get(key), new.get(key)) for key in changed if key not in FREE]


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Values of JSON by their dotted paths; an empty object is a value."""
    if isinstance(value, Mapping) and value:
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{path}.{key}" if path else key).items()}
    return {path: value}
