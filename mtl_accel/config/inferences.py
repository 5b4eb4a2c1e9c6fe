"""What reading the data inferred, by knob.

A run's config.json says it in place of what was left open, and so loads back to a config that leaves nothing open.
`inferred.json` beside it says what was given, for everything that compares what users say: reports, sweeps, and
predictions on other data.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..core import atomic_io
from ..core.errors import UserError

FILE = "inferred.json"


def value_at(raw: Any, key: str) -> Any:
    """Value of a config's JSON at a dotted key; None where it is not there."""
    for part in key.split("."):
        raw = raw.get(part) if isinstance(raw, Mapping) else None
    return raw


def with_values(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy of a config's JSON with other values at dotted keys; keys of sections that it lacks are left out."""
    found = copy.deepcopy(dict(raw))
    for key, value in values.items():
        parent, _, name = key.rpartition(".")
        section = value_at(found, parent) if parent else found
        if isinstance(section, dict):
            section[name] = copy.deepcopy(value)
    return found


def write(folder: Path, config: BaseModel, inferred: Mapping[str, Any]) -> None:
    """Write a run's config.json with what was inferred, and before it inferred.json, if anything was."""
    given = config.model_dump(mode="json", by_alias=True)
    pairs = {key: {"given": value_at(given, key), "inferred": value} for key, value in inferred.items()}
    pairs = {key: pair for key, pair in pairs.items() if pair["given"] != pair["inferred"]}
    if pairs:
        atomic_io.write_json(folder / FILE, pairs)
    else:
        (folder / FILE).unlink(missing_ok=True)
    atomic_io.write_json(folder / "config.json", with_values(given, inferred))


def split_given(raw: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config.json of a run folder as its user gave it, and what was inferred, by knob.

    What somebody has edited in config.json since counts as given.

    Raises:
        UserError: the folder's inferred.json is damaged.
    """
    path = folder / FILE
    try:
        pairs = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        given = {key: pair["given"] for key, pair in pairs.items() if value_at(raw, key) == pair["inferred"]}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is damaged ({error!r}); restore the file, or delete it") from None
    return with_values(raw, given), {key: value_at(raw, key) for key in given}


def resolve_both(
    before: Mapping[str, Any],
    inferred_before: Mapping[str, Any] | None,
    now: Mapping[str, Any],
    inferred_now: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two configs, each as a dictionary of JSON, with what was inferred for them.

    Args:
        inferred_before: None: not known, and then what both leave open alike was inferred alike.
    """
    if inferred_before is None:
        inferred_before = {k: v for k, v in inferred_now.items() if value_at(before, k) == value_at(now, k)}
    return with_values(before, inferred_before), with_values(now, inferred_now)
