"""Before any test imports torch: one thread a process, since several share two cores."""

import os
import sys
from collections.abc import Iterator

import pytest

os.environ["OMP_NUM_THREADS"] = "1"

from accelerate.state import AcceleratorState, GradientState
from hypothesis import settings

from mtl_accel.core.plugins import registrations

# A machine that others share may be slow for a moment, and no test asserts times.
settings.register_profile("mtl_accel", deadline=None)
settings.load_profile("mtl_accel")


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An Accelerator of the test's own, on the CPU whatever the machine has."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def not_launched(monkeypatch: pytest.MonkeyPatch, on_cpu: None) -> None:
    """Each test makes its own Accelerator, in a process that no launcher started."""
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_plugins_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the test's plugins register, and their modules, are gone behind it."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for registration in registrations.registrations():
        registrations.unregister(registration)
    for name in set(sys.modules) - modules:
        if not name.startswith(("mtl_accel.", "torch")):
            sys.modules.pop(name)
