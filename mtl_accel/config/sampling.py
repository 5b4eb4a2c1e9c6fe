"""The choice of training samples for an epoch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Section


class RareLabels(Section):
    """As many draws with replacement as there are samples, those with rare classes or labels more often."""

    name: Literal["rare_labels"]
    task: str | None = Field(
        None, description="Task whose classes or labels are meant; null: those of every multiclass and multilabel task."
    )
    power: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A sample weighs (1 / share)^power, with the share of labelled rows that its rarest class or label "
        "has. 0: all alike; 1: as often as if all were equally frequent.",
    )
    max_weight: float = Field(10.0, ge=1, description="Largest weight; a sample without any label has 1.")
