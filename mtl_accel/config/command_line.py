"""The command line: --config FILE, then any knob by its dotted path, merged before one validation."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .knobs import Knob, walk
from .reading import read_json, validate
from .root import Config


def parse(arguments: Sequence[str], switches: Mapping[str, str]) -> tuple[Config, dict[str, Any]]:
    """Read a command line into a Config and the values of the script's own switches.

    Args:
        arguments: such as ["--config", "v5.json", "--optimizer.lr", "3e-4", "--debug"]. A switch with no
            value is true. `--optimizer '{"name": "SGD"}'` replaces the whole branch.
        switches: name and meaning of the options that are not knobs.

    Raises:
        UserError: for wrong arguments, files or values.
    """
    given = dict(_pairs(arguments))
    own = {name: given.pop(name) for name in switches if name in given}
    if "config" not in own:
        raise UserError("--config is missing; give the path of a JSON config, such as configs/quickstart.json")
    path = Path(str(own.pop("config")))
    raw = read_json(path)
    if "data.source" in given and not isinstance(given["data.source"], str):
        given["data.source"] = str(given["data.source"])
    problems = [p for key, value in given.items() if (p := _merge(raw, key, value))]
    if problems:
        raise UserError(problems)
    return validate(raw, str(path)), own


def _pairs(arguments: Sequence[str]) -> Iterable[tuple[str, Any]]:
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise UserError(f"{word!r}: expected an option such as --epochs 2 or --optimizer.lr 3e-4")
        key, equals, text = word[2:].partition("=")
        if not equals:
            # A negative number is a value, not an option.
            is_value = bool(rest) and not rest[0].startswith("--")
            text = rest.pop(0) if is_value else "true"
        yield key, _value(text)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # a bare word, such as a path or a name


def _merge(raw: dict[str, Any], key: str, value: Any) -> str | None:
    """Set one dotted key; says what is wrong when the path leads through something that is no object."""
    *parents, last = key.split(".")
    place: Any = raw
    for depth, part in enumerate([*parents, last]):
        if isinstance(place, list) and part.isdigit() and int(part) < len(place):
            part = int(part)  # type: ignore[assignment]
        elif not isinstance(place, dict):
            inside = ".".join(key.split(".")[:depth])
            return f"--{key}: {inside} is {json.dumps(place)}, which holds no {part!r}; set --{inside} as a whole"
        if depth == len(parents):
            place[part] = value
        else:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    return None


def help_text(command: str, summary: str, switches: Mapping[str, str]) -> str:
    """What --help prints: the switches, then every knob with its type, default and meaning."""
    lines = [f"usage: {command} --config FILE [--KEY VALUE ...]", "", summary, "", "options:"]
    for name, meaning in switches.items():
        lines += _entry(f"--{name}", meaning)
    lines += ["", "every key of the config, by its dotted path:"]
    for knob in walk(Config):
        lines += _knob(knob)
    return "\n".join(lines)


def _knob(knob: Knob) -> list[str]:
    default = f", default {knob.default}" if knob.default not in ("", "required") else ""
    required = ", required" if knob.default == "required" else ""
    return _entry(f"--{knob.path}", f"{knob.meaning} ({knob.type}{default}{required})")


def _entry(head: str, text: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, 120)
    return [f"  {head}", *textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)]
