"""Show and check configs: mtl-accel config show v5 [--KEY VALUE ...]

A config is the name of a shipped one, or a file, such as that of a run: runs/v5/config.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from ...config import Config, json_schema, parse_overrides, read_config
from ...config.differences import flatten
from ...config.files.shipped import shipped_configs
from ...config.rules.no_effect import no_effect_lines
from ...core.control_characters import one_line
from ...core.errors import UserError, collect
from ...core.json_layout import format_json
from ..console import run_command

_NO_KNOBS = ("$schema", "description")


def _list(_options: argparse.Namespace, rest: Sequence[str]) -> None:
    _refuse(rest)
    names = shipped_configs()
    width = max(map(len, names))
    for name, path in names.items():
        print(f"{name:{width}}  {read_config(path).description.partition(':')[0]}")


def _show(options: argparse.Namespace, rest: Sequence[str]) -> None:
    print(format_json(_dump(read_config(options.config, parse_overrides(rest)))))


def _schema(_options: argparse.Namespace, rest: Sequence[str]) -> None:
    _refuse(rest)
    print(json_schema(), end="")


def _validate(options: argparse.Namespace, rest: Sequence[str]) -> None:
    problems: list[str] = []
    for name in options.configs:
        with collect(problems):
            config = read_config(name, parse_overrides(rest))
            print(one_line(f"{name}: valid"))
            for line in no_effect_lines(config):
                print(one_line(f"{name}: {line}"))
    if problems:
        raise UserError(problems)


def _diff(options: argparse.Namespace, rest: Sequence[str]) -> None:
    given = parse_overrides(rest)
    before, now = (flatten(_dump(read_config(name, given))) for name in (options.before, options.now))
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key) and key not in _NO_KNOBS:
            old, new = (_value(values, key) for values in (before, now))
            print(one_line(f"{key}: {old} \N{RIGHTWARDS ARROW} {new}"))


def _dump(config: Config) -> dict[str, Any]:
    """Every knob, also those that have their defaults."""
    knobs = config.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in knobs.items() if key != "$schema"}


def _value(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else "not there"


def _refuse(rest: Sequence[str]) -> None:
    if rest:
        raise UserError(f"{rest[0]}: this takes no arguments")


_ACTIONS: dict[str, tuple[str, Callable[[argparse.Namespace, Sequence[str]], None]]] = {
    "list": ("the shipped configs", _list),
    "show": ("a config with all of its knobs, and any of them changed", _show),
    "validate": ("everything that is wrong with configs, and their knobs without an effect", _validate),
    "diff": ("the knobs that differ between two configs", _diff),
    "schema": ("the JSON Schema of config files, for editors", _schema),
}


def _config(options: argparse.Namespace, rest: list[str]) -> int:
    _ACTIONS[options.action][1](options, rest)
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel config", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(
        prog=program, description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parsers = {
        name: actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        for name, (text, _) in _ACTIONS.items()
    }
    parsers["show"].add_argument("config", help="name or file")
    parsers["validate"].add_argument("configs", nargs="+", metavar="config", help="name or file")
    parsers["diff"].add_argument("before", help="name or file")
    parsers["diff"].add_argument("now", help="name or file")
    return run_command(parser, _config, arguments)
