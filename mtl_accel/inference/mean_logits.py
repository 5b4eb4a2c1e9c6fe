"""Logits whose probabilities are the mean of those of several passes, for losses and figures that start from logits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from ..core.tasks import Task
from .logits import split_logits


def mean_logits(flat: Tensor, tasks: Mapping[str, Task], num_passes: int) -> Tensor:
    """Combine logits [N, passes x outputs], the passes side by side, into float64 [N, outputs].

    `Task.probabilities` of the result is the mean over the passes, of a regression in its units. All is computed from
    logarithms, so that what is nearly certain stays finite.
    """
    if num_passes == 1:
        return flat.double()
    parts = [split_logits(part, tasks) for part in flat.double().chunk(num_passes, dim=1)]
    return torch.cat([_combine(torch.stack([part[name] for part in parts]), task) for name, task in tasks.items()], 1)


def _combine(logits: Tensor, task: Task) -> Tensor:
    """Combine one task's logits, float64 [passes, N, outputs] to [N, outputs]."""
    if task.kind == "multiclass":
        return _log_mean(logits.log_softmax(dim=2))
    if task.kind == "multilabel":
        return _log_mean(logsigmoid(logits)) - _log_mean(logsigmoid(-logits))
    if task.kind == "ordinal":
        return _conditional(logits) if task.link == "conditional" else _cumulative(logits)
    if task.scale is None:
        return logits.mean(dim=0)
    values = np.mean([task.scale.restore(part.numpy()) for part in logits], axis=0)
    learned = np.log1p(values) if task.scale.log1p else values
    return torch.from_numpy((learned - np.array(task.scale.mean)) / np.array(task.scale.std))


def _log_mean(logarithms: Tensor) -> Tensor:
    """Logarithm of the mean over the passes, from the logarithms of what each has."""
    return logarithms.logsumexp(dim=0) - math.log(len(logarithms))


def _conditional(logits: Tensor) -> Tensor:
    """Outputs z of P(class > k | class >= k) = sigmoid(z_k), from the mean of P(class > k)."""
    exceeds, stays = logsigmoid(logits), logsigmoid(-logits)
    reaches = exceeds.cumsum(dim=2) - exceeds  # the logarithm of P(class >= k) in each pass
    return _log_mean(reaches + exceeds) - _log_mean(reaches + stays)


def _cumulative(logits: Tensor) -> Tensor:
    """Outputs z of P(class > k) = sigmoid(z_0 - softplus(z_1) - ... - softplus(z_k)), from the mean of it."""
    steps = torch.cat([logits[..., :1], -softplus(logits[..., 1:])], dim=2).cumsum(dim=2)
    exceeded = _log_mean(logsigmoid(steps)) - _log_mean(logsigmoid(-steps))
    falls = -exceeded.diff(dim=1)
    # The inverse of softplus; a class that no pass thinks possible has no fall at all.
    inverse = falls + torch.log(-torch.expm1(-falls.clamp_min(torch.finfo(falls.dtype).tiny)))
    return torch.cat([exceeded[:, :1], inverse], dim=1)
