"""Runs of a small pair in this process, on the CPU."""

import pytest
import small_run

from mtl_accel import models


@pytest.fixture(autouse=True)
def small_pair(monkeypatch: pytest.MonkeyPatch, on_cpu: None) -> None:
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
