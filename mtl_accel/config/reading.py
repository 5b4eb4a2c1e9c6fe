"""From JSON to a Config: one validation, every problem in one error, in the words of the file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import UserError
from .knobs import branch_of, models_at
from .root import Config

_SHOWN_CHARACTERS = 80  # of a wrong value


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError for a missing file, bad syntax or a doubled key."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give --config the path of a JSON config{_near(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); a config is a JSON file in UTF-8") from None
    doubled: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        doubled.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds {type(value).__name__}, not an object; a config starts with {{")
    if doubled:
        raise UserError([f"{path}: key {key!r} stands twice in one object; keep one of them" for key in doubled])
    return value


def _near(path: Path) -> str:
    siblings = [p.name for p in path.parent.glob("*.json")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def validate(raw: dict[str, Any], origin: str) -> Config:
    """A Config from parsed JSON. Raises UserError with one message a problem, each with its dotted path.

    Args:
        origin: what the messages name as the source of the values, such as the file's path.
    """
    try:
        # Through JSON and strict: "3" is no number, true is no 1, and a list still fits a tuple.
        return Config.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise UserError([m for detail in details for m in _messages(detail, raw, origin)]) from None


def _messages(detail: ErrorDetails, raw: dict[str, Any], origin: str) -> list[str]:
    context = detail.get("ctx", {})
    if detail["type"] == "whole_config":
        return [f"{origin}: {problem}" for problem in context["problems"]]
    path = f"{origin}: {dotted(detail['loc'], raw)}"
    if detail["type"] == "missing":
        return [f"{path}: is missing; it has no default"]
    if detail["type"] == "extra_forbidden":
        return [f"{path}: no such key{_did_you_mean(detail['loc'])}"]
    value = json.dumps(detail["input"], default=str)
    shown = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
    if detail["type"] == "union_tag_invalid":
        key, wanted = context["discriminator"].strip("'"), context["expected_tags"].replace("'", "")
        close = difflib.get_close_matches(str(context["tag"]), wanted.split(", "), n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return [f"{path}.{key}: {context['tag']!r} is none of {wanted}{hint}"]
    if detail["type"] == "union_tag_not_found":
        key = context["discriminator"].strip("'")
        return [f'{path}: must be an object with a "{key}" (got {shown})']
    rule = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return [f"{path}: {rule} (got {shown})"]


def dotted(location: Sequence[str | int], raw: Any) -> str:
    """A pydantic location as the file's dotted path: without the tags of unions' branches."""
    parts, value = [], raw
    for part in location:
        if isinstance(value, dict) and part not in value and part in (value.get("name"), value.get("kind")):
            continue
        parts.append(str(part))
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
    return ".".join(parts)


def _did_you_mean(location: tuple[str | int, ...]) -> str:
    models = models_at(Config, location)
    known = sorted({key for m in models for key in m.model_fields if key != "schema_"})
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    where = (branch_of(models[0]) or ("", ""))[1]
    return f"; known here{f' ({where})' if where else ''}: {', '.join(known)}"
