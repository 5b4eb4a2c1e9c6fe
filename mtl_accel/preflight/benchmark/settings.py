"""The options of a benchmark; each field is a switch of launch/bench.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ...config.base import Section
from ...config.reading import format_value
from ...core.errors import UserError

Size = Annotated[int, Field(gt=0)]


class Settings(Section):
    """Sizes of a benchmark and its optional parts."""

    rounds: int = Field(
        5,
        gt=0,
        description="Times that everything is measured in turn; the medians count. The first also warms up, so take "
        "3 or more.",
    )
    seconds: float = Field(4.0, gt=0, description="How long the model alone should work in each round.")
    images: int | None = Field(
        None, gt=0, description="Training images of each round; null: as many as the model takes in those seconds."
    )
    peers: bool = Field(True, description="Measure the loops of Hugging Face's example and of a notebook, too.")
    peer_workers: int = Field(0, ge=0, description="num_workers of the peers' DataLoaders; 0 as in both originals.")
    steps: int = Field(10, gt=1, description="Steps of the fresh processes that measure start-up and memory.")
    scale: tuple[Size, ...] = Field(
        (),
        description="Numbers of training images, such as 1000,4000: of each size the wardrobe is drawn, read and "
        "trained for --steps in a fresh process. Drawn and decoded pictures stay in the cache.",
    )
    accuracy: int = Field(
        0,
        ge=0,
        description="Seeds with which ours and Hugging Face's loop, this one in float32, train all epochs; compares "
        "their metrics.",
    )


SWITCHES: dict[str, str] = {name: field.description or "" for name, field in Settings.model_fields.items()}


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Settings from the values of a command line.

    Raises:
        UserError: every value that is wrong.
    """
    given = dict(options)
    scale = given.get("scale", ())
    if isinstance(scale, str):
        given["scale"] = [int(part) if part.strip().isdecimal() else part for part in scale.split(",")]
    elif isinstance(scale, int) and not isinstance(scale, bool):
        given["scale"] = [scale]
    try:
        return Settings.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
    raise UserError(
        [f"--{detail['loc'][0]}: {detail['msg']} (got {format_value(detail['input'])})" for detail in details]
    )
