"""Configs of run folders, which may come from anybody: they name no place that is written to."""

from __future__ import annotations

import logging

from ..core import atomic_io
from .whole import Config

logger = logging.getLogger(__name__)

_FOLDERS = ("tables", "pixels")  # of a cache of ours


def with_own_cache(config: Config) -> Config:
    """Return the config of a run folder with a cache folder that may be written to.

    That is the one it names, where mtl_accel has kept its cache before, and else the user's own.
    """
    named = config.data.cache_dir
    if named is None:
        return config
    folder = atomic_io.cache_dir(named)
    if any((folder / name).is_dir() for name in _FOLDERS):
        return config
    logger.warning(
        "data.cache_dir %r of the run holds no cache of mtl_accel here; %s is used", named, atomic_io.cache_dir(None)
    )
    return config.model_copy(update={"data": config.data.model_copy(update={"cache_dir": None})})
