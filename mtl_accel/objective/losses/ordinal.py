"""Losses of one class of K in order. outputs z [B, K - 1], target int64 [B] -> [B].

Both are -log P(class) of the probabilities that `core.tasks.ordinal_probabilities` makes of the outputs, so that their
size compares, also with cross-entropy. As with all losses the sum is divided by the number of labelled images. CORN's
paper divides by the number of comparisons instead, which changes the size of the loss and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from ...config.sections.losses import Corn, CumulativeLink, Weights
from ...core.tasks import Link
from .element import ClassWeights, ElementLoss


def cumulative_link(section: CumulativeLink) -> ElementLoss:
    """Negative log-likelihood of proportional odds (McCullagh, 1980): P(class > k) = sigmoid(score - threshold_k).

    The score is z_0, the first threshold 0, and each further one softplus(z_k) above the last: so they rise whatever
    the outputs are. The head (`models.heads.SharedThresholds`) makes z_1, z_2, ... the same for all images.
    """
    return _likelihood(cumulative_log_probabilities, section.class_weights)


def corn(section: Corn) -> ElementLoss:
    """CORN (Shi, Cao and Raschka, 2021): sum over k <= class of the binary cross-entropy of z_k and [class > k].

    z_k is the logit of P(class > k | class >= k), so each image counts for the classes that it reaches.
    """
    return _likelihood(conditional_log_probabilities, section.class_weights)


def _likelihood(log_probabilities: Callable[[Tensor], Tensor], class_weights: Weights) -> ElementLoss:
    weights = ClassWeights(class_weights)

    def elements(outputs: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(log_probabilities(outputs), target, weight=weights.like(outputs), reduction="none")

    return elements


def cumulative_log_probabilities(outputs: Tensor) -> Tensor:
    """Log of the probabilities [B, K] of outputs [B, K - 1] of the cumulative link.

    P(class = k) = sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), where a and b are the logits of
    P(class >= k) and P(class > k); and as a - b is softplus(z_k), the last factor is sigmoid(z_k).
    """
    between = outputs[:, 1:]
    steps = F.pad(F.softplus(between), (1, 0))
    logits = outputs[:, :1] - steps.cumsum(dim=1)
    reached, not_exceeded = F.pad(F.logsigmoid(logits), (1, 0)), F.pad(F.logsigmoid(-logits), (0, 1))
    return reached + not_exceeded + F.pad(F.logsigmoid(between), (1, 1))


def conditional_log_probabilities(outputs: Tensor) -> Tensor:
    """Log of the probabilities [B, K] of outputs [B, K - 1] of CORN, by the chain rule."""
    reached = F.pad(F.logsigmoid(outputs).cumsum(dim=1), (1, 0))
    return reached + F.pad(F.logsigmoid(-outputs), (0, 1))


LOG_PROBABILITIES: dict[Link, Callable[[Tensor], Tensor]] = {
    "cumulative": cumulative_log_probabilities,
    "conditional": conditional_log_probabilities,
}
