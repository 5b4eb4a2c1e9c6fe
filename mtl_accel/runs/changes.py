"""What has changed between the checkpoint of a run and its next start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..config import Config
from ..config.differences import differences as changed_knobs
from ..config.inferences import resolve_both
from ..config.rules.plugin_uses import parse_records, plugin_changes, used_plugins
from ..config.saved import upgraded
from .checkpoint import Checkpoint

_AS_USED = ("micro_batch_size", "mixed_precision")  # null means another value on another machine


def differences(
    saved: Checkpoint, config: Config, fingerprint: str, used: Mapping[str, Any], inferred: Mapping[str, Any]
) -> dict[str, str]:
    """Say what is not as it was when the checkpoint was written: a line for each key.

    Args:
        used: knobs whose null means another value on another machine or number of processes, as they are in use here.
        inferred: values of knobs that the config leaves open. Whether a user says one of them makes no difference.
    """
    typed, now = config_of(saved), config.model_dump(mode="json", by_alias=True)
    # A knob that is gone, or takes no such value any more, counts as a difference.
    before_all = saved.state["config"] if typed is None else typed.model_dump(mode="json", by_alias=True)
    before_all, now = resolve_both(before_all, saved.state.get("inferred"), now, inferred)
    changes = {
        key: f"{key}: is {json.dumps(here)}, and was {json.dumps(before)} in {saved.folder}"
        for key, before, here in changed_knobs(before_all, now)
        if key not in _AS_USED
    }
    for key, here in used.items():
        before_it = saved.state[key]
        if before_it != here:
            changes[key] = (
                f"{key}: is {here} here, and was {before_it} in {saved.folder}; the weights depend on it: "
                f"give --{key} {before_it}"
            )
    plugins = plugin_changes(parse_records(saved.state, str(saved.folder)), used_plugins(config))
    for name, (before_it, here) in plugins.items():
        changes[f"plugins.{name}"] = f"plugins.{name}: the code is {here}, and was {before_it} in {saved.folder}"
    if saved.state["data_fingerprint"] != fingerprint:
        changes["data.images"] = f"data.source: images or labels are not those that {saved.folder} was trained on"
    return changes


def config_of(saved: Checkpoint) -> Config | None:
    """Config of a checkpoint, with the defaults of knobs that came after it; None: no config of this version."""
    try:
        return Config.model_validate(upgraded(saved.state["config"]))
    except ValidationError:
        return None
