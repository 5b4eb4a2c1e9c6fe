"""How start-up, time and memory grow with the number of images."""

from __future__ import annotations

from typing import Any

from ..config import Config
from ..core.errors import UserError
from ..data.labels.dataset import read_dataset
from ..training.loaders import build_loaders, build_pipelines
from .fresh import in_fresh_process
from .settings import Settings
from .workplace import accelerator_of


def fill_caches(config: Config) -> None:
    """Draw, decode and store what the config's data need, so that the next start finds it."""
    accelerator, micro_batch_size = accelerator_of(config)
    build_loaders(config, build_pipelines(config), accelerator, read_dataset(config), micro_batch_size)


def check_scale(config: Config, settings: Settings) -> None:
    """Raises UserError for a size of less than two batches, whose steps could not be timed."""
    small = [size for size in settings.scale if size < 2 * config.batch_size]
    if small:
        raise UserError(f"--scale: {small} images are less than two batches of {config.batch_size}; give larger sizes")


def measure_scale(config: Config, settings: Settings) -> list[dict[str, Any]]:
    """Start-up, seconds per image and memory of the wardrobe at each size, each in a fresh process."""
    rows = []
    for size in settings.scale:
        wardrobe = config.data.wardrobe.model_copy(update={"num_train": size})
        data = config.data.model_copy(update={"source": "wardrobe", "wardrobe": wardrobe, "max_images": None})
        sized = config.model_copy(update={"data": data, "trackers": ()})
        fill_caches(sized)
        rows.append({"images": size, **in_fresh_process("start", sized, settings)})
    return rows
