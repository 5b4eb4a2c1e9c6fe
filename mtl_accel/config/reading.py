"""From JSON to a Config: one validation, and one error with every problem in terms of the file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..core.errors import UserError
from .extension.open_unions import BUILT_IN
from .files.class_files import with_class_names
from .knobs import TAGS, branch_of, did_you_mean, entry, grouped, sections_at
from .root import Root
from .rules.findings import Finding
from .rules.synonyms import meant_by, meant_by_name

Whole = TypeVar("Whole", bound=Root)

_SHOWN_CHARACTERS = 80  # of a wrong value
# They replace wrong sections, so that problems between the right ones are found in the same pass.
STAND_INS: Final[dict[str, Any]] = {  # a config's required sections, where others are read without them
    "tasks": {"task": {"kind": "multiclass", "column": "class"}},
    "transforms": {split: [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}] for split in ("train", "eval")},
    "optimizer": {"name": "Adam"},
}


def parse_json(text: str, place: str) -> Any:
    """The value of a JSON text; `place` is its name in messages. Raises UserError for bad syntax or doubled keys."""
    doubled: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        doubled.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UserError(f"{place}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets thousands deep
        raise UserError(f"{place}: cannot be read as JSON: {error}") from None
    if doubled:
        raise UserError([f"{place}: key {key!r} stands twice in one object; keep one of them" for key in doubled])
    return value


def read_json(path: Path, option: str = "--config") -> dict[str, Any]:
    """The object in a JSON file. Raises UserError for a missing file, bad syntax or a doubled key.

    Args:
        option: that the path was given to.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows put a byte order mark first
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give {option} the path of a JSON file{_near(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: bytes that are no UTF-8, or a NUL in the path
        raise UserError(f"{path}: cannot be read ({error}); {option} takes a JSON file in UTF-8") from None
    value = parse_json(text, str(path))
    if not isinstance(value, dict):
        raise UserError(
            f"{path}: holds {format_value(value)}, not an object; {option} takes a file that starts with {{"
        )
    return value


def _near(path: Path) -> str:
    siblings = [p.name for p in path.parent.glob("*.json")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def validated_as(model: type[Whole], raw: dict[str, Any], origin: str, given: Mapping[str, str] | None = None) -> Whole:
    """Make a config of a class from parsed JSON.

    Args:
        origin: the source of the values in messages, such as the file's path.
        given: dotted keys whose values have another source, and that source, such as "--optimizer.lr".

    Raises:
        UserError: one message for each problem, with its dotted path.
    """
    if others := [*_not_json(raw)]:
        raise UserError([add_place(problem, origin, given or {}) for problem in others])
    try:
        return with_class_names(_strict(model, raw))
    except UserError as error:
        raise UserError([add_place(problem, origin, given or {}, ()) for problem in error.problems]) from None
    except ValidationError as error:
        details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":  # of what Python's JSON holds, only halves of surrogate pairs
        problems = [f"{path}: must be Unicode text (got {format_value(text)})" for path, text in _half_characters(raw)]
        raise UserError([add_place(problem, origin, given or {}) for problem in problems])
    found = [finding for detail in details for finding in _findings(detail, raw)]
    wrong = {str(detail["loc"][0]) for detail in details if detail["loc"]}
    if wrong:
        found += _findings_of_the_rest(model, raw, wrong)
    raise UserError([add_place(problem, origin, given or {}, keys) for keys, problem in found])


def _not_json(value: Any, path: str = "") -> Iterator[str]:
    """Problems of values that no JSON holds, as dictionaries of Python may, such as numbers of numpy."""
    if isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_json(inner, f"{path}{key}.")
    elif not isinstance(value, str | int | float | None):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        yield f"{path.removesuffix('.')}: must be text, a number, true, false, null, a list or an object (got {kind})"


def _half_characters(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Texts that hold halves of surrogate pairs, as bytes that are no UTF-8 become, with their dotted paths."""
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield path.removesuffix("."), value
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _half_characters(key, path)
            yield from _half_characters(inner, f"{path}{key}.")


def add_place(problem: str, origin: str, given: Mapping[str, str], keys: Collection[str] = ()) -> str:
    """Put the place where a value was given before a problem, which begins with the value's dotted path.

    Args:
        keys: the top-level keys that the problem is about, if it is about several.
    """
    path = problem.partition(": ")[0]
    above = [key for key in given if f"{path}.".startswith(f"{key}.")]
    if above:
        key = max(above, key=len)
        return f"--{problem}" if given[key] == f"--{path}" else f"{given[key]}: {problem}"

    def is_involved(key: str) -> bool:
        """Whether the file may be right at the path, and wrong only beside the value of this key."""
        parent, _, last = key.rpartition(".")
        is_branch_around = last in TAGS and (not parent or path.startswith(f"{parent}."))
        return key.partition(".")[0] in keys or key.startswith(f"{path}.") or is_branch_around

    beside = dict.fromkeys(place for key, place in given.items() if is_involved(key))
    return f"{origin}{' with ' if beside else ''}{', '.join(beside)}: {problem}"


def _strict(model: type[Whole], raw: dict[str, Any]) -> Whole:
    # Through JSON and strict: "3" is no number, true is no 1, and a list still fits a tuple.
    return model.model_validate_json(json.dumps(raw), strict=True)


def _findings_of_the_rest(model: type[Root], raw: dict[str, Any], wrong: set[str]) -> list[Finding]:
    """Problems that several top-level keys have together, each of them being right by itself."""
    try:
        _strict(model, STAND_INS | {key: value for key, value in raw.items() if key not in wrong})
    except ValidationError as error:
        findings = [finding for detail in error.errors() for finding in detail.get("ctx", {}).get("findings", [])]
        return [finding for finding in findings if not finding.keys & wrong]
    return []


def _findings(detail: ErrorDetails, raw: dict[str, Any]) -> list[Finding]:
    if detail["type"] == "whole_config":
        return list(detail["ctx"]["findings"])
    return [Finding(frozenset(), _message(detail, raw))]


def _message(detail: ErrorDetails, raw: dict[str, Any]) -> str:
    """One problem of pydantic's: dotted path, rule, value, and what was meant."""
    keys, context, value = path_in_file(detail["loc"], raw), detail.get("ctx", {}), format_value(detail["input"])
    path, hint = ".".join(keys), ""
    if detail["type"] == "missing":
        choices = _choices(keys, raw)
        return f"{path}: is missing; it {f'must be {choices}' if choices else 'has no default'}"
    if detail["type"] == "extra_forbidden":
        return f"{path}: no such key (got {value}){_known_keys(keys, raw)}"
    if detail["type"] == "union_tag_invalid":
        tag, known = context["discriminator"].strip("'"), context["expected_tags"].replace("'", "")
        names = known.split(", ")
        hint = meant_by_name([*keys, tag], str(context["tag"]), names)
        return f"{path}.{tag}: {context['tag']!r} is none of {', '.join(grouped(names))}{hint}"
    if detail["type"] == "union_tag_not_found":
        tag = context["discriminator"].strip("'")
        return f'{path}: must be an object with a "{tag}", {_choices([*keys, tag], raw)} (got {value})'
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        hint = did_you_mean(detail["input"], re.findall("'([^']*)'", context["expected"]))
    rule = re.sub(r"^(Value error, must|[A-Z][a-z]+ should)\b", "must", detail["msg"])
    return f"{path}: {rule} (got {value}){hint}"


def format_value(value: Any) -> str:
    """A value as it stands in the file, cut where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def path_in_file(location: Sequence[str | int], raw: Any) -> list[str]:
    """A location of pydantic as the file's path: without the tags of unions' branches."""
    path, value = [], raw
    for part in location:
        keys = value if isinstance(value, dict) else {}
        is_tag = part not in keys and part in (BUILT_IN, *(keys.get(tag) for tag in TAGS))
        if is_tag or part == "[key]":  # pydantic's mark of an error in a key itself, which stands before it
            continue
        path.append(str(part))
        value = entry(value, str(part))
    return path


def _choices(path: Sequence[str], raw: Any) -> str:
    """The values of a key that names a branch, as a list in a sentence; empty for any other key."""
    branches = [branch for model in sections_at(Root, path[:-1], raw) if (branch := branch_of(model))]
    tags = [tag for branch in branches if branch.key == path[-1] for tag in branch.tags]
    return f"{'one of ' if len(tags) > 1 else ''}{', '.join(grouped(tags))}"


def _known_keys(path: Sequence[str], raw: Any) -> str:
    """End of a message on an unknown key: the key that was meant, or all keys that are known there."""
    models = sections_at(Root, path[:-1], raw)
    known = sorted({key for m in models for key in m.model_fields if key != "schema_"})
    branch = str(branch_of(models[0]) or "")
    listed = f"; known here{f' ({branch})' if branch else ''}: {', '.join(known)}"
    return meant_by(path) or did_you_mean(path[-1], known) or listed
