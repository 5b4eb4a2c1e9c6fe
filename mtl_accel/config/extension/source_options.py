"""The section `data.options`: the knobs of a source that a plugin brings."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..base import Section


class SourceOptions(Section):
    """Knobs of a plugin's source."""

    name: str = Field(description="That of the source, which stands before the colon of data.source.")


def option_problems(source: str, options: SourceOptions | None) -> list[str]:
    """What `data.source` and the knobs of a plugin's source get wrong together."""
    if options is None or source.partition(":")[0] == options.name:
        return []
    return [
        f"data.options: belongs to the source '{options.name}:...' of a plugin, and data.source is {source!r}; set it "
        "to null, or correct one of the two"
    ]


def with_option_names(raw: dict[str, Any]) -> dict[str, Any]:
    """Name in a config's JSON the source that `data.options` belongs to, where only `data.source` says it."""
    data = raw.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("options"), dict) or "name" in data["options"]:
        return raw
    name, colon, _ = str(data.get("source", "")).partition(":")
    return {**raw, "data": {**data, "options": {"name": name, **data["options"]}}} if colon else raw
