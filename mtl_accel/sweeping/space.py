"""The space of a search: the values that each knob may have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import UserError

_FORM = 'give {"low": 1e-5, "high": 1e-2, "log": true}, {"low": 1, "high": 9, "step": 2} or {"choices": [...]}'


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; integers where both are written as integers."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_integer(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> list[Any]:
        return [self.low, self.high]


@dataclass(frozen=True)
class Choices:
    """Values, each any JSON."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> list[Any]:
        return list(self.values)


def parse_space(raw: Any) -> dict[str, Range | Choices]:
    """Return the space by dotted paths, from parsed JSON.

    Raises:
        UserError: everything that is wrong with it.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise UserError(f"--search: must be an object of knobs by their dotted paths (got {json.dumps(raw)})")
    problems = [problem for key, entry in raw.items() for problem in _problems(key, entry)]
    if problems:
        raise UserError(problems)
    return {key: Choices(tuple(e["choices"])) if "choices" in e else Range(**e) for key, e in raw.items()}


def _problems(key: str, entry: Any) -> list[str]:
    place, got = f"--search: {key}", json.dumps(entry)
    if isinstance(entry, Mapping) and set(entry) == {"choices"}:
        fits = isinstance(entry["choices"], list) and len(entry["choices"]) > 0
        return [] if fits else [f"{place}: choices must be a list of at least one value (got {got})"]
    if not isinstance(entry, Mapping) or not {"low", "high"} <= set(entry) <= {"low", "high", "log", "step"}:
        return [f"{place}: {_FORM} (got {got})"]
    numbers = [entry[name] for name in ("low", "high", "step") if entry.get(name) is not None]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        return [f"{place}: low, high and step must be numbers (got {got})"]
    step, log, is_integer = entry.get("step"), entry.get("log", False), all(isinstance(n, int) for n in numbers[:2])
    rules = {
        "low must not be above high": entry["low"] <= entry["high"],
        "log must be true or false": isinstance(log, bool),
        "low must be above 0 with log": not log or entry["low"] > 0,
        "log and step exclude one another": not log or step is None,
        "step must be above 0": step is None or step > 0,
        "step must be an integer between integers": step is None or not is_integer or isinstance(step, int),
    }
    return [f"{place}: {rule} (got {got})" for rule, holds in rules.items() if not holds]
