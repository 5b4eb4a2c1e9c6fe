"""Which plugins a config uses, how a run records them, and what is missing where the run is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ...core.errors import UserError
from ...core.plugins import registrations
from ...core.plugins.identity import SCRIPT, Plugin, describe_plugin
from ...core.plugins.loading import OPTION, broken_plugins
from ...core.plugins.registrations import Registration
from ..root import Root
from ..sections.model import COMPOSED
from ..sections.tasks import added_metrics

FILE = "environment.json"  # of a run folder, which names its plugins


class PluginRecord(BaseModel):
    """A plugin that a run or a model uses, as of `core.plugins.identity.Plugin`; records are kept by its name.

    `uses` names what is used of it, such as "model my_net".
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    distribution: str | None = None
    version: str | None = None
    sha256: str | None = None
    uses: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """What is used of it and registered by no plugin here."""
        there = {registration.use for registration in registrations.registrations()}
        return [use for use in self.uses if use not in there]

    @property
    def title(self) -> str:
        """Version and hash, for messages."""
        return f"{self.version or 'without a version'} (SHA-256 {str(self.sha256)[:12]}...)"


Records = Mapping[str, PluginRecord]
_RECORDS = TypeAdapter(dict[str, PluginRecord])


def used_plugins(config: Root, kinds: Iterable[str] | None = None) -> dict[str, PluginRecord]:
    """The plugins that a config uses, by their names and in the order of these.

    Args:
        kinds: the last words of the kinds of parts that count, such as "loss"; None: all.
    """
    wanted = None if kinds is None else tuple(kinds)
    by_plugin: dict[str, list[Registration]] = {}
    for registration in _used(config):
        if wanted is None or registration.kind.split()[-1] in wanted:
            by_plugin.setdefault(registration.plugin, []).append(registration)
    return {name: _record(name, by_plugin[name]) for name in sorted(by_plugin)}


def _record(name: str, used: list[Registration]) -> PluginRecord:
    plugin, uses = plugin_here(name), tuple(registration.use for registration in used)
    distribution, version, digest = plugin.distribution, plugin.version, plugin.sha256
    return PluginRecord(distribution=distribution, version=version, sha256=digest, uses=uses)


def plugin_here(name: str) -> Plugin:
    """Describe a plugin that has registered something."""
    own = registrations.registrations(plugin=name)
    return describe_plugin(name, [r.module for r in own], [r.code for r in own])


def _used(config: Root) -> Iterator[Registration]:
    sections = {type(section) for section in _sections_of(config)}
    named = {(f"{task.kind} metric", name) for task in config.tasks.values() for name in added_metrics(task)}
    source, colon, _ = config.data.source.partition(":")
    named |= {("source", source)} if colon else set()
    named |= {("backbone", str(config.model.backbone))} if config.model.name == COMPOSED else set()
    for registration in registrations.registrations():
        if registration.section in sections or (registration.kind, registration.name) in named:
            yield registration


def _sections_of(value: Any) -> Iterator[BaseModel]:
    """Every section that a value holds."""
    if isinstance(value, BaseModel):
        yield value
        value = dict(value)
    if isinstance(value, Mapping | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _sections_of(inner)


def dump_records(records: Records) -> dict[str, Any]:
    """Records as JSON has them; empty where there are none, as if nothing were known of plugins."""
    return {"plugins": {n: r.model_dump(mode="json") for n, r in records.items()}} if records else {}


def parse_records(content: Any, place: str) -> dict[str, PluginRecord]:
    """The records of a JSON file; none where it has no key "plugins".

    Raises:
        UserError: that key holds something else.
    """
    value = content.get("plugins") if isinstance(content, dict) else None
    try:
        return _RECORDS.validate_python({} if value is None else value)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(("plugins", *map(str, detail["loc"])))
        raise UserError(f"{place}: {key}: {detail['msg']}; no run wrote that, restore the file") from None


def records_of_run(folder: Path) -> dict[str, PluginRecord]:
    """The plugins of a run folder; none if its environment.json is not there, or is damaged."""
    try:
        return parse_records(json.loads((folder / FILE).read_bytes()), str(folder / FILE))
    except (OSError, ValueError, RecursionError):
        return {}


@contextmanager
def plugins_required(folder: Path) -> Iterator[None]:
    """Read the config of a run within the block: where that fails, a plugin of the run that is missing is named.

    Raises:
        UserError: it is.
    """
    try:
        yield
    except UserError:
        if missing := missing_problems(records_of_run(folder), str(folder)):
            raise UserError(missing) from None
        raise


def missing_problems(records: Records, place: str) -> list[str]:
    """One problem for each plugin that something needs and that is not here, with how to give it."""
    return [f"{place}: {_missing(name, record)}" for name, record in records.items() if record.missing()]


def _missing(name: str, record: PluginRecord) -> str:
    uses = f"uses {', '.join(record.missing())} of"
    if name == SCRIPT:
        return f"{uses} a notebook; run the cells that register it before, or give a file of them by {OPTION} FILE"
    plugin = f"{uses} the plugin {name}, {record.title}, which is not here"
    if name in broken_plugins():
        return f"{plugin}: it is installed, but {broken_plugins()[name]}"
    install = f"pip install {record.distribution}, or " if record.distribution else ""
    return f"{plugin}; {install}{OPTION} {name}, or {OPTION} FILE; in Python mtl_accel.load_plugin"


def plugin_changes(before: Records, now: Records) -> dict[str, tuple[str, str]]:
    """Plugins whose code is another one than it was, by name: what they were, and what they are."""
    shared = [name for name in before if name in now and before[name].sha256 != now[name].sha256]
    return {name: (before[name].title, now[name].title) for name in shared}
