"""The pictures of one split of a source, whether it has labels or not: a test split has none."""

from __future__ import annotations

import datasets

from ...config import Config
from ...core.errors import UserError
from .dataset import load


def read(config: Config, split: str) -> tuple[datasets.Dataset, str]:
    """The columns `id` and `image` of a split, and the id column's own name in the source.

    Raises:
        UserError: the source has no such split, or everything that is wrong with its ids and pictures.
    """
    data = config.data
    found = load(data, only=split)
    pictures = found.splits[split].select_columns(["id", "image"])
    if not len(pictures):
        raise UserError(f"data.source: the {split} split of {data.source} has no rows, so there is nothing to predict")
    return pictures, found.id_column or "id"
