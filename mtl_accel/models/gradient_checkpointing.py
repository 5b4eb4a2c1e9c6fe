"""Gradient checkpointing (Chen et al., 2016): blocks that keep only their inputs, and are computed again backward."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from torch import Tensor, is_grad_enabled, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from ..core.errors import UserError
from .base import CONTAINERS, Pair, is_stage

_MIN_LAYERS = 4  # with parameters, of a container of single layers that is cut into segments


def checkpoint_gradients(pair: Pair) -> None:
    """Compute the blocks of the backbone again in each backward pass, in place of keeping what they computed.

    Gradients, random numbers and running statistics stay the same to the bit. A backward pass for each task, as in
    gradient balancing, computes the blocks again for each of them. The names of the parameters do not change.

    Raises:
        UserError: the backbone has no blocks.
    """
    if not _checkpoint_blocks(pair.backbone):
        raise UserError(
            f"model.gradient_checkpointing: the backbone of {type(pair).__name__} has no blocks of several layers to "
            "compute again; set it to false"
        )


def _checkpoint_blocks(module: nn.Module) -> int:
    """Number of blocks and segments in a module that are computed again from now on."""
    found = 0
    if isinstance(module, nn.Sequential) and len(segments := _segments(module)) > 1:
        # Assigned to the instance: a wrapper around it would change the names of its parameters.
        module.forward = partial(_run_segments, segments)  # type: ignore[method-assign]
        found += len(segments)
    for child in module.children():
        if type(child) in CONTAINERS or is_stage(child):
            found += _checkpoint_blocks(child)
        elif _num_layers(child) > 1:
            child.forward = partial(_recomputed, child.forward, [child])
            found += 1
    return found


def _num_layers(module: nn.Module) -> int:
    """Number of modules with parameters of their own."""
    return sum(bool(list(inner.parameters(recurse=False))) for inner in module.modules())


def _segments(container: nn.Sequential) -> list[list[nn.Module]]:
    """Cut a container of single layers, as VGG's, into about as many segments as each has layers with parameters.

    A segment begins with such a layer, so that none changes the output of the one before it in place. Empty where
    blocks of several layers stand between them.
    """
    sizes = [_num_layers(child) for child in container]
    if max(sizes, default=0) > 1 or sum(sizes) < _MIN_LAYERS:
        return []
    length = math.ceil(math.sqrt(sum(sizes)))
    segments: list[list[nn.Module]] = [[]]
    in_segment = 0
    for size, child in zip(sizes, container, strict=True):
        if size and in_segment == length:
            segments.append([])
            in_segment = 0
        segments[-1].append(child)
        in_segment += size
    return segments


def _run_segments(segments: Sequence[Sequence[nn.Module]], images: Tensor) -> Tensor:
    for layers in segments:
        images = _recomputed(partial(_run, layers), layers, images)
    return images


def _run(layers: Sequence[nn.Module], images: Tensor) -> Tensor:
    for layer in layers:
        images = layer(images)
    return images


def _recomputed(forward: Callable[..., Any], layers: Sequence[nn.Module], *args: Any, **kwargs: Any) -> Any:
    """Call the forward function of some layers, and again in the backward pass if there will be one."""
    if not (is_grad_enabled() and layers[0].training):
        return forward(*args, **kwargs)
    contexts = partial(_contexts, layers)
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=True, context_fn=contexts, **kwargs)


def _contexts(layers: Sequence[nn.Module]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of the forward function's first call, and of those after it."""
    return contextlib.nullcontext(), _WithoutStatistics(layers)


class _WithoutStatistics(AbstractContextManager[None]):
    """Leaves running statistics as they are: the first call has brought them up to date.

    It is entered once for each backward pass, which a function with `contextmanager` could not be.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        modules = [module for layer in layers for module in layer.modules()]
        self._norms = [m for m in modules if isinstance(m, _NormBase) and m.track_running_stats]
        self._before: list[tuple[float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        self._before = [(norm.momentum, norm.num_batches_tracked) for norm in self._norms]
        for norm in self._norms:
            norm.momentum = 0.0  # the share of the batch in the new value
            norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()

    def __exit__(self, *_: object) -> None:
        for norm, (momentum, counter) in zip(self._norms, self._before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter
