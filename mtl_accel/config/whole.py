"""A whole config: one JSON file, one run. Read from a file, or from a dictionary."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ..core.errors import UserError, collect
from ..core.plugins.loading import broken_plugins, load_installed
from .extension.source_options import with_option_names
from .files.shipped import find_config
from .inferences import split_given
from .merging import apply_overrides, override_places
from .reading import add_place, read_json, validated_as
from .root import Root
from .rules.findings import findings_of
from .rules.plugin_uses import plugins_required
from .saved import is_saved, upgraded
from .sections.schedules import with_one_highest_rate


class Config(Root):
    """Everything that decides what a run does. Two runs of one config end with the same weights."""

    @model_validator(mode="after")
    def _whole(self) -> Config:
        found = findings_of(self)
        if found:
            # One error that carries all of them: `reading` unpacks the list.
            raise PydanticCustomError("whole_config", "{findings}", {"findings": found})
        return self

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Config:
        """Make a config of the keys and values of a config file, with any knob changed by its dotted path.

        Raises:
            UserError: everything that is wrong with the keys, the overrides or their values.
        """
        return _merged(copy.deepcopy(dict(values)), "the dictionary", overrides or {})

    @classmethod
    def from_file(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
        """Read a config file; the same as `read_config`."""
        return read_config(path, overrides)


def validate(raw: dict[str, Any], origin: str, given: Mapping[str, str] | None = None) -> Config:
    """Make a Config from parsed JSON.

    Args:
        origin: the source of the values in messages, such as the file's path.
        given: dotted keys whose values have another source, and that source, such as "--optimizer.lr".

    Raises:
        UserError: one message for each problem, with its dotted path.
    """
    load_installed()
    try:
        return validated_as(Config, with_one_highest_rate(with_option_names(raw)), origin, given)
    except UserError as error:
        is_unknown = any("none of" in problem or "no such key" in problem for problem in error.problems)
        raise UserError([*error.problems, *(broken_plugins().values() if is_unknown else ())]) from None


def read_config(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    places: Mapping[str, str] | None = None,
    *,
    given_alone: bool = False,
) -> Config:
    """Read the Config in a JSON file, with any knob changed by its dotted path, such as {"optimizer.lr": 3e-4}.

    Args:
        path: of the file, or the name of a shipped config, such as "v5".
        places: what messages call the place of an override, such as {"optimizer.lr": "--grid"}; left out: "--KEY".
        given_alone: of a run's config.json, without what reading its data inferred. So it is also read where an
            override names other data.

    Raises:
        UserError: everything that is wrong with the file, the overrides or their values.
    """
    file, changed = find_config(path), overrides or {}
    raw = read_json(file)
    if not is_saved(file):
        return _merged(raw, str(file), changed, places)
    raw = upgraded(raw)
    raw = split_given(raw, file.parent)[0] if given_alone or "data.source" in changed else raw
    with plugins_required(file.parent):
        return _merged(raw, str(file), changed, places)


def _merged(
    raw: dict[str, Any], origin: str, changed: Mapping[str, Any], places: Mapping[str, str] | None = None
) -> Config:
    """Put overrides into a config's JSON, and make a Config of it."""
    load_installed()
    given = override_places(raw, {key: (places or {}).get(key, f"--{key}") for key in changed})
    problems = [add_place(problem, origin, given) for problem in apply_overrides(raw, changed)]
    with collect(problems):
        config = validate(raw, origin, given)
    if problems:
        raise UserError(problems)
    return config


def json_schema() -> str:
    """The JSON Schema of a config file, for editors: the text of configs/schema.json."""
    load_installed()
    schema = Config.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
