"""Every loss by default and with its options, the kind of task that it is for, and what it must give."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from mtl_accel.config.knobs import sections_in
from mtl_accel.config.sections.losses import (
    BCE,
    Asymmetric,
    Corn,
    CrossEntropy,
    CumulativeLink,
    Focal,
    Huber,
    Loss,
    MulticlassLoss,
    MultilabelLoss,
    OrdinalLoss,
    RegressionLoss,
    SigmoidFocal,
)

_UNIONS = {
    "multiclass": MulticlassLoss,
    "ordinal": OrdinalLoss,
    "multilabel": MultilabelLoss,
    "regression": RegressionLoss,
}
_SECTIONS = [(kind, section) for kind, union in _UNIONS.items() for section in sections_in(union)]
KINDS = {get_args(section.model_fields["name"].annotation)[0]: kind for kind, section in _SECTIONS}
DEFAULTS: dict[str, Loss] = {name: s(name=name) for name, (_, s) in zip(KINDS, _SECTIONS, strict=True)}
NUM_CLASSES = {"multiclass": 5, "ordinal": 5}
NUM_OUTPUTS = {"multiclass": 5, "ordinal": 4, "multilabel": 3, "regression": 2}
OUTPUTS = {name: NUM_OUTPUTS[kind] for name, kind in KINDS.items()}

CLASS_WEIGHTS, POS_WEIGHT = (0.5, 2.0, 0.0, 1.0, 1.5), (0.5, 10.0, 1.0)
# Gammas below 1 have an infinite slope where a truth is certain, if they are written down as in the paper.
OPTIONS: list[Loss] = [
    CrossEntropy(name="cross_entropy", label_smoothing=0.1),
    CrossEntropy(name="cross_entropy", class_weights=CLASS_WEIGHTS),
    CrossEntropy(name="cross_entropy", label_smoothing=0.2, class_weights=CLASS_WEIGHTS),
    Focal(name="focal", gamma=0.0),
    Focal(name="focal", gamma=0.5, class_weights=CLASS_WEIGHTS),
    CumulativeLink(name="cumulative_link", class_weights=CLASS_WEIGHTS),
    Corn(name="corn", class_weights=CLASS_WEIGHTS),
    BCE(name="bce", pos_weight=POS_WEIGHT),
    SigmoidFocal(name="sigmoid_focal", gamma=0.5),
    SigmoidFocal(name="sigmoid_focal", alpha=None, gamma=0.0),
    Asymmetric(name="asymmetric", gamma_neg=0.0, gamma_pos=0.0, clip=0.0),
    Asymmetric(name="asymmetric", gamma_neg=0.5, gamma_pos=0.5),
    Asymmetric(name="asymmetric", gamma_pos=0.0),
    Huber(name="huber", delta=0.3),
]
ALL = [*DEFAULTS.values(), *OPTIONS]


def title(section: Loss) -> str:
    given = [f"{key}={value}" for key, value in section.model_dump(exclude_unset=True).items() if key != "name"]
    return f"{section.name}({', '.join(given)})"


def target_of(loss: str, numbers: torch.Generator, count: int) -> Tensor:
    if KINDS[loss] in NUM_CLASSES:
        return torch.randint(0, NUM_CLASSES[KINDS[loss]], (count,), generator=numbers)
    values = torch.randn(count, OUTPUTS[loss], generator=numbers, dtype=torch.float64)
    return (values > 0).double() if KINDS[loss] == "multilabel" else values


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    return (-((1 - p) ** 2) * p.log()).mean()


def published_asymmetric(
    logits: Tensor, target: Tensor, gamma_neg: float = 4.0, gamma_pos: float = 1.0, clip: float = 0.05
) -> Tensor:
    """The formula of the paper, element by element."""
    p = logits.sigmoid()
    shifted = (p - clip).clamp(min=0)
    positive = (1 - p) ** gamma_pos * p.clamp(min=1e-8).log()
    negative = shifted**gamma_neg * (1 - shifted).clamp(min=1e-8).log()
    return -(target * positive + (1 - target) * negative)


def proportional_odds(outputs: Tensor) -> Tensor:
    """P(class) [N, K] as McCullagh has them: sigmoid(threshold_k - score) are the probabilities of at most k."""
    score, rises = outputs[:, :1], torch.log(1 + outputs[:, 1:].exp())
    thresholds = torch.cat([torch.zeros_like(score), rises.cumsum(1)], 1)
    at_most = torch.cat([(thresholds - score).sigmoid(), torch.ones_like(score)], 1)
    return torch.cat([at_most[:, :1], at_most[:, 1:] - at_most[:, :-1]], 1)


def published_corn(outputs: Tensor, target: Tensor) -> Tensor:
    """The paper's loss of each sample: of each step, over the samples that reach it, the formula with log sigmoid."""
    losses = torch.zeros(len(target), dtype=outputs.dtype)
    for step in range(outputs.shape[1]):
        reaching = target > step - 1
        above = (target > step).to(outputs.dtype)
        log_p = F.logsigmoid(outputs[:, step])
        losses -= torch.where(reaching, log_p * above + (log_p - outputs[:, step]) * (1 - above), 0.0)
    return losses


def _cumulative_link(outputs: Tensor, target: Tensor) -> Tensor:
    return -proportional_odds(outputs)[torch.arange(len(target)), target].log().mean()


MEANS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "focal": _focal,
    "cumulative_link": _cumulative_link,
    "corn": lambda outputs, target: published_corn(outputs, target).mean(),
    "bce": F.binary_cross_entropy_with_logits,
    "sigmoid_focal": lambda logits, target: sigmoid_focal_loss(logits, target, reduction="mean"),
    "asymmetric": lambda logits, target: published_asymmetric(logits, target).mean(),
    "mse": F.mse_loss,
    "huber": F.huber_loss,
}
