"""The precision that is the faster one on this machine."""

from __future__ import annotations

import json
import logging
import platform
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import models
from ..config import Config
from ..config.sections.model import ModelConfig
from ..config.sections.picture_sizes import PictureSize, needs_source_size
from ..config.sections.transforms import SeveralCrops
from ..core import atomic_io
from ..core.errors import UserError
from ..data.transforms.pipeline import ImagePipeline

logger = logging.getLogger(__name__)

_MIN_SPEEDUP = 1.1  # a smaller one could be noise
# A step casts every parameter once, so a micro-batch of few pixels gains less than the run's own. A larger one than
# this would give the same answer later.
_MAX_PIXELS = 64 * 64 * 64
_UNKNOWN_SIZE = (224, 224)
_MIN_ROUNDS, _MAX_ROUNDS = 2, 6  # more of them where the two are close
_CLEAR_RATIO = 1.25  # so many times above or below _MIN_SPEEDUP no more rounds are needed


def fastest_precision(config: Config, device: torch.device, cache: Path | None = None) -> str:
    """Choose "bf16" or "no": bfloat16 where a GPU computes in it, and on a CPU where the model was timed to be faster.

    The answer for a machine and a model is kept in the folder `cache`, so that a run that is resumed gets the same one.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    if device.type != "cpu":
        return "no"
    path = cache / "precision.json" if cache is not None else None
    known = _read_known(path)
    model, size = config.model, _model_input_size(config)
    num_samples = _num_samples(config.micro_batch_size or config.samples_per_step, size)
    machine = [platform.node(), torch.backends.cpu.get_cpu_capability(), torch.__version__]
    key = json.dumps([*machine, model.title, [num_samples, *size]])
    if key not in known:
        known[key] = "bf16" if _is_bfloat16_faster(model, num_samples, size) else "no"
        if path is not None:
            _keep(path, known)
    return known[key]


def _read_known(path: Path | None) -> dict[str, str]:
    """Read what was measured before; nothing where the file is damaged, so that it is written anew."""
    try:
        found = json.loads(path.read_bytes()) if path is not None and path.exists() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    answers = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in answers if value in ("no", "bf16")}


def _keep(path: Path, known: dict[str, str]) -> None:
    try:
        atomic_io.write_json(path, known)
    except UserError as error:  # a read-only cache: the run trains all the same, and times it again the next time
        logger.warning("the measured precision is not kept: %s", error)


def _model_input_size(config: Config) -> PictureSize:
    """Size of the images that the model reads; a stand-in where it is that of the files, which nobody has read yet."""
    transforms = config.transforms.eval
    if needs_source_size(transforms):
        return next((t.size for t in transforms if isinstance(t, SeveralCrops)), _UNKNOWN_SIZE)
    return ImagePipeline.from_transforms(transforms).model_input_size


def _num_samples(micro_batch_size: int, size: tuple[int, int]) -> int:
    return min(micro_batch_size, max(_MAX_PIXELS // (size[0] * size[1]), 2))


def _is_bfloat16_faster(model: ModelConfig, num_samples: int, size: tuple[int, int]) -> bool:
    # One layer shows at once that the processor only emulates it, where a whole model would take ten times as long.
    layer = nn.Conv2d(64, 64, 3, padding=1)
    if speedup(layer, torch.ones(2, 64, 56, 56)) < _MIN_SPEEDUP:
        return False
    if models.pair_problems(model, {"transforms.eval": size}):
        return False  # the run reports them
    pair = models.build_pair(model, {"probe": 1}, None)
    return speedup(pair, torch.ones(num_samples, 3, *size)) >= _MIN_SPEEDUP


def speedup(module: nn.Module, images: Tensor) -> float:
    """Measure how many times as fast forward and backward are in bfloat16 autocast as in float32.

    images: float32 [B, C, H, W].
    """
    module.train().to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    best = {lower: float("inf") for lower in (True, False)}
    for lower in best:
        _seconds(module, images, lower)  # chooses kernels and takes memory
    ratio = 1.0
    for number in range(1, _MAX_ROUNDS + 1):
        # The best of each: noise only ever adds.
        best = {lower: min(seconds, _seconds(module, images, lower)) for lower, seconds in best.items()}
        ratio = best[False] / best[True]
        if number >= _MIN_ROUNDS and max(ratio / _MIN_SPEEDUP, _MIN_SPEEDUP / ratio) > _CLEAR_RATIO:
            break
    return ratio


def _seconds(module: nn.Module, images: Tensor, lower: bool) -> float:
    begin = time.perf_counter()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=lower):
        output = module(images)
    parts = output.values() if isinstance(output, dict) else [output]
    torch.stack([part.float().sum() for part in parts]).sum().backward()
    return time.perf_counter() - begin
