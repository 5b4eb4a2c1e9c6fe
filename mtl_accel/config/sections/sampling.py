"""Training samples of an epoch: how often each is drawn, and which are mixed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..base import Section


class RareLabels(Section):
    """As many draws with replacement as there are samples, those with rare classes or labels more often."""

    name: Literal["rare_labels"]
    task: str | None = Field(
        None, description="Task whose classes or labels are meant; null: those of every task but a regression."
    )
    power: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A sample weighs (1 / share)^power, with the share of labelled rows that its rarest class or label "
        "has. 0: all alike; 1: as often as if all were equally frequent.",
    )
    max_weight: float = Field(10.0, ge=1, description="Largest weight; a sample without any label has 1.")


class _MixingKnobs(Section):
    probability: float = Field(1.0, gt=0, le=1, description="Share of the samples that are mixed in this way.")


class Mixup(_MixingKnobs):
    """Blends pictures and labels of two samples (Zhang et al., 2018)."""

    name: Literal["mixup"]
    alpha: float = Field(0.2, gt=0, description="Shares are drawn from Beta(alpha, alpha); 1 is uniform.")


class CutMix(_MixingKnobs):
    """Pastes a box of another sample's picture, and its labels by the box's area (Yun et al., 2019)."""

    name: Literal["cutmix"]
    alpha: float = Field(1.0, gt=0, description="Areas are drawn from Beta(alpha, alpha); 1 is uniform.")


Mixer = Annotated[Mixup | CutMix, Field(discriminator="name")]


def mixing_problems(mixing: tuple[Mixup | CutMix, ...]) -> list[str]:
    """Problems of the probabilities: each sample is mixed in one way at most."""
    total = sum(method.probability for method in mixing)
    if total <= 1 + 1e-9:
        return []
    return [f"mixing: the probabilities add up to {total:g}, and a sample is mixed once; let them add up to at most 1"]
