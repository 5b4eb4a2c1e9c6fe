"""The losses of each kind of task."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.tasks import Link
from ..base import Section, in_one_message
from ..extension.open_unions import Open

_Weight = Annotated[float, Field(ge=0)]
_WEIGHTS_RULE = 'must be null, "balanced" or a list of numbers of at least 0, one for each class or label'
Weights = Annotated[Literal["balanced"] | tuple[_Weight, ...] | None, in_one_message("weights", _WEIGHTS_RULE)]
_Gamma = Annotated[float, Field(ge=0)]
_CLASS_WEIGHTS = (
    'Weight of a sample of each class, in the order of the classes; "balanced": labelled training samples divided by '
    "classes and by those of the class, so that their mean over the samples is 1; null: 1 each."
)


class CrossEntropy(Section):
    """Softmax cross-entropy."""

    name: Literal["cross_entropy"]
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of the target that all classes have alike (Szegedy et al., 2016)."
    )
    class_weights: Weights = Field(None, description=_CLASS_WEIGHTS)


class Focal(Section):
    """Cross-entropy times (1 - p)^gamma of the true class's probability p (Lin et al., 2017)."""

    name: Literal["focal"]
    gamma: _Gamma = Field(2.0, description="How much less a sample counts that is right already; 0: not at all.")
    class_weights: Weights = Field(None, description=_CLASS_WEIGHTS)


class CumulativeLink(Section):
    """Proportional odds (McCullagh, 1980): one score for each image, and rising thresholds that all images share."""

    link: ClassVar[Link] = "cumulative"
    name: Literal["cumulative_link"]
    class_weights: Weights = Field(None, description=_CLASS_WEIGHTS)


class Corn(Section):
    """CORN (Shi, Cao and Raschka, 2021): for each class, whether it is exceeded by those that reach it."""

    link: ClassVar[Link] = "conditional"
    name: Literal["corn"]
    class_weights: Weights = Field(None, description=_CLASS_WEIGHTS)


class BCE(Section):
    """Binary cross-entropy of each label's logit."""

    name: Literal["bce"]
    pos_weight: Weights = Field(
        None,
        description='Weight of the positives of each label, in order; "balanced": its negatives divided by its '
        "positives among the labelled training elements; null: 1 each.",
    )
    max_pos_weight: float = Field(
        10.0, ge=1, description='Largest weight of "balanced"; 1 divided by it is the smallest.'
    )


class SigmoidFocal(Section):
    """Binary cross-entropy times (1 - p)^gamma of the truth's probability p (Lin et al., 2017)."""

    name: Literal["sigmoid_focal"]
    alpha: float | None = Field(
        0.25, gt=0, lt=1, description="Weight of positives; negatives have 1 - alpha. null: 1 for both."
    )
    gamma: _Gamma = Field(2.0, description="How much less an element counts that is right already; 0: not at all.")


class Asymmetric(Section):
    """ASL: focal, with one gamma for positives and one for negatives (Ridnik et al., 2021)."""

    name: Literal["asymmetric"]
    gamma_neg: _Gamma = Field(4.0, description="Gamma of negatives.")
    gamma_pos: _Gamma = Field(1.0, description="Gamma of positives; the paper's own runs take 0.")
    clip: float = Field(0.05, ge=0, lt=1, description="Probability below which a negative counts nothing; 0: none.")


class MSE(Section):
    """Squared error."""

    name: Literal["mse"]


class Huber(Section):
    """Half the squared error up to delta, and linear beyond."""

    name: Literal["huber"]
    delta: float = Field(
        1.0,
        gt=0,
        description="Error from which on it is linear, in standard deviations of the column where standardised.",
    )


MulticlassLoss = Annotated[CrossEntropy | Focal, Open("multiclass loss")]
OrdinalLoss = Annotated[CumulativeLink | Corn, Open("ordinal loss")]
MultilabelLoss = Annotated[BCE | SigmoidFocal | Asymmetric, Open("multilabel loss")]
RegressionLoss = Annotated[MSE | Huber, Open("regression loss")]
Loss = Annotated[
    CrossEntropy | Focal | CumulativeLink | Corn | BCE | SigmoidFocal | Asymmetric | MSE | Huber,
    Open("multiclass loss", "ordinal loss", "multilabel loss", "regression loss"),
]
