"""Runs of a sweep that ended with equal weights: what was varied between them had no effect."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..config.differences import flatten
from ..config.rules.no_effect import no_effect_lines
from ..runs.model_folder import WEIGHTS
from ..runs.model_weights import sha256
from .plan import Member


def equal_weights_lines(members: Sequence[Member]) -> list[str]:
    """Say which finished runs have the same weights to the bit, and which knobs differ between them, a line a group."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        path = member.folder / "model" / WEIGHTS
        if path.is_file():
            groups.setdefault(sha256(path), []).append(member)
    return [_line(group) for group in groups.values() if len(group) > 1]


def _line(group: Sequence[Member]) -> str:
    knobs, names = _varied(group), " and ".join(member.name for member in group)
    if not knobs:
        return f"Equal weights: {names} have the same config."
    reasons = dict.fromkeys(
        line for member in group for line in no_effect_lines(member.config) if _is_about(line.partition(": ")[0], knobs)
    )
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"Equal weights: {names} ended with the same, so {', '.join(knobs)} had no effect{why}."


def _is_about(path: str, knobs: Sequence[str]) -> bool:
    return any(f"{knob}.".startswith(f"{path}.") or f"{path}.".startswith(f"{knob}.") for knob in knobs)


def _varied(group: Sequence[Member]) -> list[str]:
    """The knobs that are not the same in all configs, but for the folder."""
    flat = [flatten(member.config.model_dump(mode="json", by_alias=True)) for member in group]
    keys = dict.fromkeys(key for config in flat for key in config if key != "run_dir")
    return [key for key in keys if len({json.dumps(config.get(key)) for config in flat}) > 1]
