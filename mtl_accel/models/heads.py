"""Heads: from the features of the backbone to the logits of a task."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(in_features: int, out_features: int, dropout: float = 0.0) -> nn.Module:
    """Features [B, in_features] -> logits [B, out_features]."""
    layer = nn.Linear(in_features, out_features)
    return nn.Sequential(nn.Dropout(dropout), layer) if dropout else layer


def relu_linear(in_features: int, out_features: int, dropout: float = 0.0) -> nn.Module:
    """Features [B, in_features] -> logits [B, out_features]; negative features count as 0."""
    # Not in place: all heads read the same features.
    dropped = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.ReLU(), *dropped, nn.Linear(in_features, out_features))


def mlp(in_features: int, out_features: int, hidden: int = 512, dropout: float = 0.2) -> nn.Module:
    """Features [B, in_features] -> logits [B, out_features], with one hidden layer."""
    return nn.Sequential(
        nn.Linear(in_features, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, out_features)
    )


class AveragePooled(nn.Module):
    """A head of pooled features on a feature map: it reads the mean over all places."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, feature_map: Tensor) -> Tensor:
        """Feature map [B, F, h, w] -> logits [B, out_features]."""
        return self.head(feature_map.mean(dim=(2, 3)))


class RowwiseLinear(nn.Module):
    """One linear function for each of N rows: [B, N, width] -> [B, N]. The grouped layer of ML-Decoder."""

    def __init__(self, num_rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_rows, width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(num_rows))

    def forward(self, rows: Tensor) -> Tensor:
        return (rows * self.weight).sum(dim=2) + self.bias


class QueryHead(nn.Module):
    """One learned query for each output attends to the feature map: ML-Decoder (Ridnik et al., 2021).

    Multi-head attention from the queries to the h * w places, a feed-forward layer, and a linear function of each query
    to its logit. As in the paper, queries do not attend to one another, so the cost is linear in the number of outputs.
    """

    def __init__(
        self, in_features: int, out_features: int, width: int = 256, num_heads: int = 8, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.places = nn.Sequential(nn.Linear(in_features, width), nn.ReLU())
        self.queries = nn.Parameter(torch.randn(out_features, width))
        self.attention = nn.MultiheadAttention(width, num_heads, dropout, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.feedforward = mlp(width, width, 2 * width, dropout)
        self.feedforward_norm = nn.LayerNorm(width)
        self.logits = RowwiseLinear(out_features, width)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Feature map [B, in_features, h, w] -> logits [B, out_features]."""
        places = self.places(feature_map.flatten(2).transpose(1, 2))
        queries = self.queries.expand(feature_map.shape[0], -1, -1)  # len() would be a constant in an export
        attended, _ = self.attention(queries, places, places, need_weights=False)
        attended = self.attention_norm(queries + attended)
        return self.logits(self.feedforward_norm(attended + self.feedforward(attended)))


class SharedThresholds(nn.Module):
    """A head of one score, with thresholds between ordered classes that are the same for all images.

    Its outputs are those that `core.tasks.ordinal_probabilities` takes for the link "cumulative": the score and a bias,
    and behind it biases alone. At first all classes are as likely, at a score of 0.
    """

    def __init__(self, score: nn.Module, num_outputs: int) -> None:
        super().__init__()
        self.score, self.num_outputs = score, num_outputs
        exceeded = torch.arange(num_outputs, 0, -1) / (num_outputs + 1)  # of the classes, those above each threshold
        logits = torch.logit(exceeded)
        # The inverse of softplus.
        self.bias = nn.Parameter(torch.cat([logits[:1], torch.log(torch.expm1(logits[:-1] - logits[1:]))]))

    def forward(self, features: Tensor) -> Tensor:
        """Features as the score's module takes them -> outputs [B, num_outputs]."""
        return F.pad(self.score(features), (0, self.num_outputs - 1)) + self.bias


class Heads(nn.ModuleDict):
    """One head for each task, by the name of the task.

    A ModuleDict refuses keys that are also attributes of a module ("type", "keys", "forward"), so the head of "type" is
    registered and saved as "task_type". To callers the keys are the names of the tasks.
    """

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [B, F], or a feature map [B, F, h, w] -> {task: logits [B, outputs of the task]}."""
        return {task: head(features) for task, head in self.items()}

    def __setitem__(self, task: str, head: nn.Module) -> None:
        self.add_module(f"task_{task}", head)

    def __getitem__(self, task: str) -> nn.Module:
        return self._modules[f"task_{task}"]

    def __delitem__(self, task: str) -> None:
        del self._modules[f"task_{task}"]

    def __contains__(self, task: object) -> bool:
        return f"task_{task}" in self._modules

    def __iter__(self) -> Iterator[str]:
        return (key.removeprefix("task_") for key in self._modules)

    def keys(self) -> KeysView[str]:
        return dict(self.items()).keys()

    def items(self) -> ItemsView[str, nn.Module]:
        return dict(zip(self, self._modules.values(), strict=True)).items()
