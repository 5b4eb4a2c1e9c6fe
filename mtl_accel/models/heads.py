"""What stands between the backbone's features and a task's logits."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView

from torch import Tensor, nn


def linear(in_features: int, out_features: int) -> nn.Module:
    """Features [B, in_features] -> logits [B, out_features]."""
    return nn.Linear(in_features, out_features)


def relu_linear(in_features: int, out_features: int) -> nn.Module:
    """Features [B, in_features] -> logits [B, out_features]; negative features count as 0."""
    # Not in place: all heads read the same features.
    return nn.Sequential(nn.ReLU(), nn.Linear(in_features, out_features))


class Heads(nn.ModuleDict):
    """One head a task, by the task's name; forward gives the logits of each.

    A ModuleDict refuses keys that are also attributes of a module ("type", "keys", "forward"), so the head of
    "type" is registered, and saved, as "task_type". From outside the keys are the tasks' own names.
    """

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [B, F] -> {task: logits [B, outputs of the task]}."""
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
