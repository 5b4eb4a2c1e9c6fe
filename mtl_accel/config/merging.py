"""Overrides by dotted paths, put into the JSON of a config; what the file leaves out starts as its default."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from .extension.open_unions import annotation_of
from .knobs import TAGS, branch_of, did_you_mean, entry, fields_at, grouped, sections_in
from .reading import format_value
from .root import Root


def apply_overrides(raw: dict[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Set every dotted key in a config's JSON. Returns a message for each key that is wrong, which begins with it.

    A whole branch is set first, then its name, then its other keys, in whatever order they are given.
    """
    order = sorted(given, key=lambda key: (key.count("."), key.rpartition(".")[2] not in TAGS))
    # A later key is set within an earlier value, which stays the caller's own.
    return [problem for key in order if (problem := _set(raw, key, copy.deepcopy(given[key])))]


def override_places(raw: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, str]:
    """The places of dotted keys, and of the sections above them that the file lacks: these exist only because of them.

    Args:
        raw: as the file has it.
    """
    above: dict[str, list[str]] = {}
    for key, place in places.items():
        above.setdefault(_first_missing(raw, key), []).append(place)
    return {key: ", ".join(dict.fromkeys(found)) for key, found in above.items()} | dict(places)


def _first_missing(raw: Mapping[str, Any], key: str) -> str:
    """The shortest beginning of a key that the file has no value for; the key itself if there is none."""
    value: Any = raw
    parts = key.split(".")
    for depth, part in enumerate(parts[:-1], start=1):
        value = entry(value, part)
        if value is None:
            return ".".join(parts[:depth])
    return key


def _set(raw: dict[str, Any], key: str, value: Any) -> str | None:
    """Set one dotted key, and make what is not there above it. Returns what is wrong with the key."""
    parts = key.split(".")
    place: Any = raw
    annotation: Any = Root
    for depth, part in enumerate(parts):
        index: Any = part
        if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            index = int(part)
        elif not isinstance(place, dict):
            inside = ".".join(parts[:depth])
            holds = (
                f"has {len(place)} entries, counted from 0" if isinstance(place, list) else f"is {format_value(place)}"
            )
            return f"{key}: {inside} {holds}, not {part!r}; set --{inside} as a whole"
        if depth == len(parts) - 1:
            place[index] = value
            return None
        is_there, around = isinstance(place, list) or place.get(part) is not None, annotation
        fields = fields_at(annotation, part, place)
        annotation, default = (annotation_of(fields[0]), fields[0].default) if fields else (None, PydanticUndefined)
        if not is_there and _lacks_name(annotation, default, parts[depth + 1]):
            hint = did_you_mean(part, place) if get_origin(around) is dict else ""
            return f"{key}: {_missing_name(parts, depth, annotation, default, value)}{hint}"
        if not is_there:
            place[part] = _start(annotation, default)
        place = place[index]
    return None


def _lacks_name(annotation: Any, default: Any, part: str) -> bool:
    """Whether an object that is not there may be one of several branches, and nothing says which."""
    is_one = get_origin(annotation) not in (dict, tuple) and not isinstance(default, BaseModel)
    return is_one and any(branch.key != part for s in sections_in(annotation) if (branch := branch_of(s)))


def _missing_name(parts: list[str], depth: int, annotation: Any, default: Any, value: Any) -> str:
    part, where = parts[depth + 1], ".".join(parts[: depth + 1])
    sections = sections_in(annotation)
    branches = [branch_of(s) for s in sections if part in s.model_fields] or [branch_of(s) for s in sections]
    tags = [tag for branch in branches if branch for tag in branch.tags]
    key = next(branch.key for branch in branches if branch)
    state = "null" if default is None else "not there"
    which = f"with one of {', '.join(grouped(tags))}" if len(tags) > 1 else tags[0]
    return f"{where} is {state}, and so has no {part} (got {format_value(value)}); add --{where}.{key} {which}"


def _start(annotation: Any, default: Any) -> Any:
    """The JSON of a value that is not there, before something is set in it."""
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json", exclude_unset=True)  # a branch's name, which another one may replace
    if default is None or default is PydanticUndefined:
        if get_origin(annotation) is tuple:
            return []
        # A key that no section knows is reported by the validation.
        is_object = dict in (get_origin(annotation), *map(get_origin, get_args(annotation)))
        return {} if annotation is None or is_object or sections_in(annotation) else None
    return list(default) if isinstance(default, tuple) else default
