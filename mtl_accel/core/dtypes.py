"""The dtype of exact sums, which depends on the device."""

from __future__ import annotations

import torch

NO_FLOAT64 = frozenset({"mps"})  # types of devices that cannot hold it


def sum_dtype(device: torch.device) -> torch.dtype:
    """Dtype of sums that are not to depend on their order: float64, and float32 where the device has nothing wider."""
    return torch.float32 if device.type in NO_FLOAT64 else torch.float64
