"""Test-time augmentation: which views of each picture are predicted beside the picture itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import UserError

MIN_SCALE, MAX_SCALE = 0.25, 4.0
_FORM = (
    'give a list of "mirror", "scales=NUMBER:NUMBER:..." and "crops=5", such as mirror,scales=0.9:1.1 on the command '
    'line, or ["mirror", {"scales": [0.9, 1.1]}, {"crops": 5}]'
)


@dataclass(frozen=True)
class TTA:
    """Views of each picture, all combinations of them: whose probabilities are averaged.

    Attributes:
        mirror: whether each view is also seen with left and right exchanged.
        scales: sizes beside that of `transforms.eval`, as factors.
        has_crops: whether the four corners and the middle are seen in place of the middle.
    """

    mirror: bool = False
    scales: tuple[float, ...] = ()
    has_crops: bool = False

    @property
    def num_views(self) -> int:
        """How often each picture passes the network."""
        return (1 + self.mirror) * (1 + len(self.scales)) * (5 if self.has_crops else 1)

    @property
    def mirrored(self) -> tuple[bool, ...]:
        """For each pass over a view, whether left and right are exchanged."""
        return (False, True) if self.mirror else (False,)

    def __str__(self) -> str:
        """The form of the command line."""
        scales = "scales=" + ":".join(repr(scale).removesuffix(".0") for scale in self.scales)
        return ",".join(["mirror"] * self.mirror + [scales] * bool(self.scales) + ["crops=5"] * self.has_crops)


Given = str | Sequence[str | Mapping[str, Any]] | TTA | None


def parse(given: Given, *, flip: bool = False) -> TTA:
    """Read a list of views in the form of the command line, of JSON or of Python; None and an empty one: no views.

    Args:
        flip: whether "mirror" is meant, too.

    Raises:
        UserError: everything that is wrong with it.
    """
    found, problems = (given, []) if isinstance(given, TTA) else _parse_list(given)
    if problems:
        raise UserError([*problems, f"tta: {_FORM}"])
    return replace(found, mirror=True) if flip else found


def _parse_list(given: str | Sequence[str | Mapping[str, Any]] | None) -> tuple[TTA, list[str]]:
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, value in _entries(given, problems):
        if key in values:
            problems.append(f"tta: {key} stands twice; leave one out")
        elif key == "mirror":
            values[key] = value is True
            problems += [] if value is True else [f"tta: mirror takes no value, and got {value!r}"]
        elif key == "scales":
            values[key] = _scales(value, problems)
        elif key == "crops":
            values[key] = str(value) == "5"
            problems += [] if values[key] else [f"tta: crops={value} must be 5; ten crops are mirror,crops=5"]
        else:
            problems.append(f"tta: {key!r} is none of mirror, scales, crops")
    return TTA(values.get("mirror", False), values.get("scales", ()), values.get("crops", False)), problems


def _entries(given: str | Sequence[str | Mapping[str, Any]] | None, problems: list[str]) -> list[tuple[str, Any]]:
    """The list as pairs of key and value; True where a key stands alone."""
    items: Any = given or ()
    if isinstance(items, str):
        try:
            items = json.loads(items) if items.lstrip().startswith("[") else items.split(",")
        except (ValueError, RecursionError) as error:
            problems.append(f"tta: {items[:100]!r} is no JSON: {error}")
            return []
    if not isinstance(items, list | tuple):
        problems.append(f"tta: {items!r} is no list")
        return []
    found: list[tuple[str, Any]] = []
    for item in items:
        if isinstance(item, Mapping):
            found += item.items()
        elif isinstance(item, str):
            key, equals, value = item.strip().partition("=")
            found.append((key, value if equals else True))
        else:
            problems.append(f"tta: {item!r} is neither a name nor a name with a value")
    return found


def _scales(value: Any, problems: list[str]) -> tuple[float, ...]:
    items = value.split(":") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    scales: list[float] = []
    for item in items:
        try:
            scale = math.nan if isinstance(item, bool) else float(item)
        except (TypeError, ValueError, OverflowError):
            scale = math.nan
        if not MIN_SCALE <= scale <= MAX_SCALE:
            problems.append(f"tta: scales: {item!r} must be a number from {MIN_SCALE:g} to {MAX_SCALE:g}")
        elif scale == 1:
            problems.append("tta: scales: 1 is always among the views; leave it out")
        elif scale in scales:
            problems.append(f"tta: scales: {item} stands twice; leave one out")
        scales.append(scale)
    if not items:
        problems.append("tta: scales: needs at least one number")
    return tuple(scales)
