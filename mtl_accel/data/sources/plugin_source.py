"""Sources that plugins register: code that returns tables, for `data.source: "NAME:ARGUMENT"`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from ...config.base import Section
from ...config.extension.parts import Table
from ...config.extension.source_options import SourceOptions
from ...config.sections.data import DataConfig
from ...core.errors import UserError
from ...core.plugins import registrations
from ...core.plugins.registrations import Registration, calling_module
from .given import GivenData, given_section

SOURCES: dict[str, Callable[[str, Any], GivenData]] = {}

SourceT = TypeVar("SourceT", bound=Callable[[str, Any], GivenData])


def register_source(name: str, *, config: type[Section] | None = None) -> Callable[[SourceT], SourceT]:
    """Register the decorated function as the source `name`, for `data.source: "NAME:ARGUMENT"`.

    The function takes the text behind the colon and the section, and returns what `mtl_accel.train` takes as `data`: a
    `pandas.DataFrame` or a `datasets.Dataset`, or a mapping of the names of splits to these. Every process of a launch
    and every command that reads the data calls it, so it must return the same rows in the same order each time.

    Args:
        config: the section of its knobs, which is `data.options`: a subclass of `mtl_accel.SourceOptions` with
            `name: Literal[NAME]`. None: a source without knobs.

    Raises:
        UserError: the name is taken, or the section is wrong.
    """
    module = calling_module()

    def decorate(read: SourceT) -> SourceT:
        Table("source", SOURCES, SourceOptions, ("source",)).register(name, read, config, module)
        return read

    return decorate


def find_source(source: str) -> Registration | None:
    """The plugin's source that `data.source` names; None where it names none that is registered."""
    name, colon, _ = source.partition(":")
    return registrations.find("source", name) if colon else None


def with_plugin_tables(data: DataConfig, split: str | None) -> DataConfig:
    """Return the section with the tables of a plugin's source in place of it; the section itself for any other source.

    Args:
        split: what a single table is; None: the training table.

    Raises:
        UserError: the source lacks a knob, or returned something that is no table of images.
    """
    registration = find_source(data.source)
    if registration is None:
        return data
    tables = registration.target(data.source.partition(":")[2], _options(data, registration))
    try:
        return given_section(data, tables, split or "train")
    except UserError as error:
        place = f"data.source: {data.source!r} of the plugin {registration.plugin}"
        raise UserError([f"{place}: {problem}" for problem in error.problems]) from error


def _options(data: DataConfig, registration: Registration) -> Any:
    """The source's knobs, with their defaults where the config gives none."""
    if data.options is not None:
        return data.options
    assert registration.section is not None, "every source has one"
    try:
        return registration.section(name=registration.name)
    except ValidationError as error:
        missing = ", ".join(str(detail["loc"][0]) for detail in error.errors())
        raise UserError(f"data.options: the source {registration.name!r} needs {missing}; give them") from None
