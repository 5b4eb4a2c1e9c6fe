"""What the log and the trackers of a run need."""

from pathlib import Path

import pytest
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

from mtl_accel.config import read_json, validate


@pytest.fixture(scope="module")
def accelerator():
    yield Accelerator(cpu=True)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def config():
    path = Path("configs/quickstart.json")
    return validate(read_json(path), str(path))
