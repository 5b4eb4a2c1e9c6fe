"""What is different between two runs, knob by knob: "optimizer.lr: 0.001 → 0.0003"."""

from __future__ import annotations

import json
from typing import Any

from ...config import Config
from ...config.base import NAME, PLACE, RECORD, SPEED
from ...config.differences import flatten, knobs_that_affect
from ...config.inferences import value_at, with_values
from ...runs.rows import Environment
from .runs import RunRecord

# What a run that is compared with none is summed up by.
_MAIN_KNOBS = (
    "model.name",
    "model.backbone",
    "model.head.name",
    "model.weights",
    "optimizer.name",
    "optimizer.lr",
    "optimizer.weight_decay",
    "scheduler.name",
    "epochs",
    "batch_size",
    "seed",
    "data.source",
    "transforms.train",
)


def main_knobs(config: Config) -> list[str]:
    """The knobs that say in short what a run is."""
    knobs = _knobs(config)
    return [f"{key}: {_text(knobs[key])}" for key in _MAIN_KNOBS if knobs.get(key) is not None]


def comparable_configs(before: RunRecord, after: RunRecord) -> tuple[Config, Config]:
    """Configs of two runs as they were given, except that what one says and the other inferred alike is no change."""
    given = [record.config.model_dump(mode="json", by_alias=True) for record in (before, after)]
    whole = [with_values(raw, record.inferred) for raw, record in zip(given, (before, after), strict=True)]
    keys = [*before.inferred, *after.inferred]
    alike = {key: value_at(whole[0], key) for key in keys if value_at(whole[0], key) == value_at(whole[1], key)}
    first, second = (Config.model_validate(with_values(raw, alike)) for raw in given)
    return first, second


def config_changes(before: Config, after: Config) -> list[str]:
    """Changes that the figures may depend on, in the order of the config's sections."""
    ignored = knobs_that_affect(NAME, PLACE, SPEED, RECORD)
    is_wardrobe = {before.data.source, after.data.source} == {"wardrobe"}
    changed = [key for key in _changed(before, after) if key not in ignored]
    # The size of the wardrobe counts for nothing where one of the two does not use it.
    return _lines(before, after, [key for key in changed if is_wardrobe or not key.startswith("data.wardrobe.")])


def manner_changes(before: Config, after: Config) -> list[str]:
    """Changes in how the run is carried out; what it computes stays the same."""
    manners = knobs_that_affect(PLACE, SPEED, RECORD)
    return _lines(before, after, [key for key in _changed(before, after) if key in manners])


def environment_changes(before: Environment, after: Environment) -> list[str]:
    """What two runs ran on, as far as both say it."""
    old, new = (flatten(environment.model_dump(exclude_none=True)) for environment in (before, after))
    return [f"{key}: {old[key]} → {new[key]}" for key in old if key in new and old[key] != new[key]]


def _knobs(config: Config, **options: Any) -> dict[str, Any]:
    return flatten(config.model_dump(mode="json", by_alias=True, **options))


def _changed(before: Config, after: Config) -> list[str]:
    """Knobs that are different. Of what only one config has, such as another optimizer's, no defaults."""
    old, new = _knobs(before), _knobs(after)
    given = _knobs(before, exclude_defaults=True).keys() | _knobs(after, exclude_defaults=True).keys()
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    sections = [key.split(".")[0] for key in old]
    changed.sort(key=lambda key: sections.index(key.split(".")[0]))
    return [key for key in changed if key in given or (key in old and key in new)]


def _lines(before: Config, after: Config, keys: list[str]) -> list[str]:
    old, new = _knobs(before), _knobs(after)
    return [f"{key}: {change}" for key in keys for change in _compared(old.get(key), new.get(key))]


def _compared(before: Any, after: Any) -> list[str]:
    """One phrase, or of two lists of names or of transforms one for each that is new or gone."""
    series = _is_series(before) and _is_series(after)
    if not series or [v for v in before if v in after] != [v for v in after if v in before]:  # or in another order
        return [f"{_text(before)} → {_text(after)}"]
    added = [f"+ {_text(value)}" for value in after if value not in before]
    return added + [f"- {_text(value)}" for value in before if value not in after]


def _is_series(value: Any) -> bool:
    """Whether it is a list of names or of transforms, not of numbers such as a size."""
    return isinstance(value, list) and all(isinstance(element, str | dict) for element in value)


def _text(value: Any) -> str:
    """A value as a config has it; a transform as a call, such as "RandomHorizontalFlip(p=0.5)"."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "name" in value:
        arguments = [f"{key}={_text(inner)}" for key, inner in value.items() if key != "name" and inner is not None]
        return f"{value['name']}({', '.join(arguments)})"
    return ", ".join(map(_text, value)) if value and _is_series(value) else json.dumps(value)
