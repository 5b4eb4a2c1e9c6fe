"""Ways to weight the tasks' losses against one another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..base import Section
from ..extension.open_unions import Open
from .optimization import NonNegative, Positive


class Fixed(Section):
    """The weighted sum of the tasks' losses, with the weights of the tasks section."""

    name: Literal["fixed"]


class Uncertainty(Section):
    """Weights learnt with the model, as log-variances (Kendall et al., 2018)."""

    name: Literal["uncertainty"]


class DWA(Section):
    """Dynamic weight average: more weight for the task whose loss fell least from epoch to epoch (Liu et al., 2019)."""

    name: Literal["dwa"]
    temperature: Positive = Field(2.0, description="Larger values make the weights more equal.")


class RandomWeights(Section):
    """Weights drawn anew each step (Lin et al., 2022)."""

    name: Literal["random"]


class OnGradients(Section):
    """Options of the methods that use each task's gradient."""

    name: str
    where: Literal["shared", "features"] = Field(
        "shared",
        description='Gradients of all parameters of the backbone ("shared": exact, one backward pass a task), or of '
        'its output ("features": cheap, an approximation).',
    )


class GradNorm(OnGradients):
    """Weights that make the tasks train at similar rates (Chen et al., 2018)."""

    name: Literal["gradnorm"]
    alpha: NonNegative = Field(1.5, description="How strongly a task that lags is pulled; 0 makes all norms equal.")
    lr: Positive = Field(0.025, description="Learning rate of the weights.")


class UPGrad(OnGradients):
    """No task loses: projected gradients, their mean (Quinton and Rey, 2024). Step: 1/T of the sum."""

    name: Literal["upgrad"]


class PCGrad(OnGradients):
    """Conflicting parts of gradients are taken out, pair by pair (Yu et al., 2020). Step: as the sum."""

    name: Literal["pcgrad"]


class MGDA(OnGradients):
    """The shortest weighted mean of the gradients (Sener and Koltun, 2018). Step: at most 1/T of the sum."""

    name: Literal["mgda"]


class CAGrad(OnGradients):
    """Near the mean gradient, what helps the worst-off task most (Liu et al., 2021). Step: 1/T of the sum."""

    name: Literal["cagrad"]
    c: NonNegative = Field(0.5, description="How far from the mean gradient, as a share of its norm.")


class IMTLG(OnGradients):
    """Equal projections on each task's gradient (Liu et al., 2021). Step: 1/T of the sum."""

    name: Literal["imtl_g"]


class AlignedMTL(OnGradients):
    """Gradients made orthogonal and equally long (Senushkin et al., 2023). Step: at most 1/T of the sum."""

    name: Literal["aligned_mtl"]


class NashMTL(OnGradients):
    """The tasks bargain over the direction (Navon et al., 2022). Step: a gradient of norm 1 at most."""

    name: Literal["nash_mtl"]


Balancing = Annotated[
    Fixed
    | Uncertainty
    | DWA
    | RandomWeights
    | GradNorm
    | UPGrad
    | PCGrad
    | MGDA
    | CAGrad
    | IMTLG
    | AlignedMTL
    | NashMTL,
    Open("balancing"),
]


def problems(balancing: Balancing, compile: bool) -> list[str]:
    """Problems of balancing together with torch.compile."""
    if compile and isinstance(balancing, OnGradients):
        return [
            f"compile: true with balancing.name {balancing.name!r}, which runs several backward passes over one "
            "forward pass, and compiled code cannot; set compile to false"
        ]
    return []
