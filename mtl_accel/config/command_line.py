"""The command line: --config FILE, then any knob by its dotted path, merged before one validation."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import UserError, collect
from ..core.plugins.loading import load_installed
from .foreign import with_own_cache
from .knobs import Knob, all_knobs, did_you_mean, is_text
from .merging import apply_overrides, override_places
from .reading import STAND_INS, format_value, parse_json
from .rules.synonyms import meant_by
from .sections.data import DataConfig
from .whole import Config, read_config, validate


def parse_command_line(arguments: Sequence[str], switches: Mapping[str, str]) -> tuple[Config, dict[str, Any]]:
    """Read a command line into a Config and the values of the script's own switches.

    Args:
        arguments: such as ["--config", "v5.json", "--optimizer.lr", "3e-4", "--debug"]. A switch with no
            value is true. `--optimizer '{"name": "SGD"}'` replaces the whole branch.
        switches: name and meaning of the options that are not knobs.

    Raises:
        UserError: for wrong arguments, files or values.
    """
    problems: list[str] = []
    given = _options(arguments, problems)
    own = {name: given.pop(name) for name in switches if name in given}
    known = [*switches, *(key for key in Config.model_fields if key != "schema_"), "$schema"]
    unknown = [key for key in given if key.split(".")[0] not in known]
    for key in unknown:
        hint = meant_by(key.split(".")) or did_you_mean(key, known)
        problems.append(f"--{key}: no such option (got {format_value(given.pop(key))}){hint}")
    if "config" not in own:
        problems.append("--config is missing; give a JSON file, or the name of a shipped config, such as quickstart")
        raise UserError(problems)
    with collect(problems):
        config = read_config(str(own.pop("config")), given)
    if problems:
        raise UserError(problems)
    return config, own


def parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """Knobs by their dotted paths, for `read_config`, from arguments such as ["--optimizer.lr", "3e-4"].

    Raises:
        UserError: an argument is no option, stands twice or has a value that is not JSON; names are not checked.
    """
    problems: list[str] = []
    given = _options(arguments, problems)
    if problems:
        raise UserError(problems)
    return given


def read_run_config(run: Path, arguments: Sequence[str], whole: bool = False) -> Config:
    """Read the Config of a run folder as it was given, with other data: arguments such as ["--data.source", "photos"].

    Args:
        whole: with all rows, unless an argument says otherwise, even if the run has read only a part of them.

    Raises:
        UserError: no run lies there, or an argument is none of its `data` knobs.
    """
    path = run / "config.json"
    if not path.is_file():
        raise UserError(f"--run: {run} holds no {path.name}; give the folder of a run, such as runs/v5")
    if (run / "model.safetensors").is_file():
        raise UserError(f"--run: {run} is the finished model of a run; give the run's folder, {run.parent}")
    given = _data_options(arguments, "of a run's config only data.* can be changed here")
    if "data.source" in given:
        given = {"data.options": None, **given}  # they are those of the run's own source
    config = read_config(path, {"data.max_images": None, **given} if whole else given, given_alone=True)
    return config if "data.cache_dir" in given else with_own_cache(config)


def read_data_config(arguments: Sequence[str]) -> DataConfig:
    """Read the section `data` alone, without a file, from arguments such as ["--data.source", "my_photos"].

    Raises:
        UserError: no source is given, or an argument is none of the `data` knobs.
    """
    given = _data_options(arguments, "without --config only data.* can be given")
    if "data.source" not in given:
        raise UserError("--data.source is missing; give it, or a config by --config, or a run by --run")
    raw: dict[str, Any] = {}
    problems = apply_overrides(raw, given)
    if problems:
        raise UserError([f"--{problem}" for problem in problems])
    return validate(STAND_INS | raw, "the command line", override_places({}, {key: f"--{key}" for key in given})).data


def _data_options(arguments: Sequence[str], rule: str) -> dict[str, Any]:
    """The `data` knobs of some arguments. Raises UserError for others, with the rule."""
    problems: list[str] = []
    given = _options(arguments, problems)
    knobs = [f"data.{name}" for name in DataConfig.model_fields]
    problems += [
        f"--{key}: no such option{did_you_mean(key, knobs)}; {rule}" for key in given if not key.startswith("data.")
    ]
    if problems:
        raise UserError(problems)
    return given


def _options(arguments: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """Name and value of every option; arguments that are none are added to the problems."""
    given: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        key, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            problems.append(f"{word!r}: expected an option such as --epochs 2 or --optimizer.lr 3e-4")
            continue
        value: Any = True
        if equals or (rest and not rest[0].startswith("--")):  # a negative number is a value, not an option
            try:
                value = _value(text if equals else rest.pop(0), key)
            except UserError as error:
                problems += error.problems
                continue
        if key in given:
            problems.append(
                f"--{key}: given twice ({format_value(given[key])} and {format_value(value)}); keep one of them"
            )
        given[key] = value
    return given


def _value(text: str, key: str) -> Any:
    """A value as JSON; a bare word, and whatever a text knob is given, such as --run_dir 12, is text."""
    try:
        value = parse_json(text, f"--{key}")
    except UserError:
        if text.lstrip()[:1] in ("{", "["):
            raise
        return text
    return value if value is None or isinstance(value, str) or not is_text(Config, key.split(".")) else text


def help_text(command: str, summary: str, switches: Mapping[str, str]) -> str:
    """Text of --help: the switches, then every knob with its type, default and meaning."""
    load_installed()
    lines = [f"usage: {command} --config FILE [--KEY VALUE ...]", "", summary, "", "options:"]
    for name, meaning in switches.items():
        lines += _entry(f"--{name}", meaning)
    lines += ["", "every key of the config, by its dotted path:"]
    for knob in all_knobs(Config):
        lines += _knob(knob)
    return "\n".join(lines)


def _knob(knob: Knob) -> list[str]:
    default = f", default {knob.default}" if knob.default not in ("", "required") else ""
    required = ", required" if knob.default == "required" else ""
    return _entry(f"--{knob.path}", f"{knob.meaning} ({knob.type}{default}{required})")


def _entry(head: str, text: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, 120)
    return [f"  {head}", *textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)]
