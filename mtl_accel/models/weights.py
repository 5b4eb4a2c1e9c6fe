"""Loads weights into a backbone, and says what was loaded and what was left."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from ..core.errors import UserError
from .weight_files import fetch, find_local_file, read_state_dict

logger = logging.getLogger(__name__)

_MAX_NAMES = 6  # of tensors in one line


class LoadedWeights(NamedTuple):
    """Tensors of one file that were loaded into a backbone, and names of those that were left, by the reason."""

    source: str
    network: str
    num_loaded: int
    left: dict[str, list[str]]

    def __str__(self) -> str:
        left = {reason: names for reason, names in self.left.items() if names}
        total = self.num_loaded + sum(map(len, left.values()))
        parts = [f"{_listed(names)} ({reason})" for reason, names in left.items()]
        rest = f"; left: {'; '.join(parts)}" if parts else ""
        return f"weights: {self.source}: {self.num_loaded} of {total} tensors of {self.network} loaded{rest}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


_collected: ContextVar[list[LoadedWeights] | None] = ContextVar("collected", default=None)


@contextmanager
def collect_loaded_weights() -> Iterator[list[LoadedWeights]]:
    """Collect what is loaded within the block, whichever pair loads it."""
    loaded: list[LoadedWeights] = []
    token = _collected.set(loaded)
    try:
        yield loaded
    finally:
        _collected.reset(token)


def load_backbone_weights(
    backbone: nn.Module, weights: str | None, available: type[WeightsEnum], unused: Sequence[str] = ()
) -> None:
    """Load weights into `backbone`: a name of `available` or a local file; None leaves it as it is.

    A local file holds the state dict of the backbone, or of a whole model of ours, whose heads are left out. Keys of a
    layer that the pair replaced by Identity are left out too: they belong to the ImageNet classifier.

    Args:
        unused: names of layers of the published network that the backbone does without.

    Raises:
        UserError: there is no such name or file, or it cannot be fetched, cannot be read or does not fit.
    """
    if weights is not None:
        names = list(available.__members__)
        is_name = weights in names
        path = fetch(available[weights].url) if is_name else find_local_file(weights, names, available.__name__)
        network = available.__name__.removesuffix("_Weights")
        load_backbone_file(backbone, path, source=weights, network=network, unused=unused)


def load_backbone_file(
    backbone: nn.Module,
    path: Path,
    *,
    source: str | None = None,
    network: str | None = None,
    unused: Sequence[str] = (),
) -> None:
    """Load a file into `backbone`, as `load_backbone_weights` does.

    Args:
        source, network: names of the two, for the log; None: the path, and the class of the backbone.
    """
    load_state(backbone, read_state_dict(path), path, source=source, network=network, unused=unused)


def load_state(
    backbone: nn.Module,
    state: Mapping[str, Tensor],
    path: Path,
    *,
    source: str | None = None,
    network: str | None = None,
    unused: Sequence[str] = (),
) -> None:
    """Load the tensors of a file, as `load_backbone_file` does."""
    own = backbone_part(state)
    replaced = tuple(f"{name}." for name, layer in backbone.named_modules() if isinstance(layer, nn.Identity))
    behind = tuple(f"{name}." for name in unused)
    left = {
        "the ImageNet layer": [key for key in own if key.startswith(replaced)],
        "behind the feature map": [key for key in own if key.startswith(behind) and not key.startswith(replaced)],
        "heads": [key for key in state if key.startswith("heads.")] if own is not state else [],
    }
    loaded = {key: tensor for key, tensor in own.items() if not key.startswith(replaced + behind)}
    _load(loaded, backbone, path)
    record = LoadedWeights(source or str(path), network or type(backbone).__name__, len(loaded), left)
    logger.info("%s", record)
    if (collected := _collected.get()) is not None:
        collected.append(record)


def backbone_part(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of the backbone, if the state dict is that of a whole model."""
    if not any(key.startswith("backbone.") for key in state):
        return state
    return {key.removeprefix("backbone."): state[key] for key in state if not key.startswith("heads.")}


def _load(state: Mapping[str, Tensor], backbone: nn.Module, path: Path) -> None:
    """Load a state dict. Raises UserError for everything that does not fit at once, and for values not finite."""
    own = backbone.state_dict()
    misshapen = {
        key: f"{key} is {list(tensor.shape)} and must be {list(own[key].shape)}"
        for key, tensor in state.items()
        if key in own and tensor.shape != own[key].shape
    }
    # A cast from integers or complex numbers would go through without a word.
    mistyped = {
        key: f"{key} is {str(tensor.dtype).removeprefix('torch.')}"
        for key, tensor in state.items()
        if key in own and own[key].is_floating_point() and not tensor.is_floating_point()
    }
    # Torch does not report a missing num_batches_tracked, which old files lack.
    loadable = {key: tensor for key, tensor in state.items() if key not in misshapen and key not in mistyped}
    result = backbone.load_state_dict(loadable, strict=False)
    problems = {
        "missing": [key for key in result.missing_keys if key not in misshapen and key not in mistyped],
        "unexpected": result.unexpected_keys,
        "wrongly shaped": list(misshapen.values()),
        "of another type": list(mistyped.values()),
        # Torchvision publishes such a file: the classifier of VGG16_Weights.IMAGENET1K_FEATURES is NaN.
        "not finite": [key for key, tensor in loadable.items() if key in own and not torch.isfinite(tensor).all()],
    }
    problem = "; ".join(f"{what}: {', '.join(keys)}" for what, keys in problems.items() if keys)
    if problem:
        raise UserError(
            f"model.weights: {path} does not fit the backbone {type(backbone).__name__}. {problem}. Take a file of the "
            "same network, or set model.weights to null for random weights"
        )
