"""Windows has nothing of POSIX, starts workers by spawn, and renames no file that is open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import real_runs as runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it takes from Linux what others lack"),
]

SCRIPT = Path(runs.__file__).with_name("other_system.py")  # it masks what it imports
SHARPNESS = {"name": "RandomAdjustSharpness", "sharpness_factor": 2}  # runs in the loader's workers
TRANSFORMS = {"train": [runs.FIXED[0], SHARPNESS, runs.FIXED[1]], "eval": runs.FIXED}


def config_in(folder: Path, source: Path) -> Path:
    data = {"source": str(source), "cache_dir": str(folder / "cache"), "num_workers": 1}
    model = {"name": "mobilenet_v2_linear", "weights": None}
    return runs.write_config(folder / "c.json", source, data=data, transforms=TRANSFORMS, model=model)


def test_without_what_windows_lacks_a_run_trains_stops_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    source = runs.write_source(tmp_path / "drawn", num_train=16, num_validation=8)
    linux, windows = config_in(tmp_path / "linux", source), config_in(tmp_path / "windows", source)
    runs.run(linux)
    command = [sys.executable, str(SCRIPT), str(windows)]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runs.digest(windows) == runs.digest(linux)
    for name in ("last", "best"):
        named = (runs.run_dir(windows) / "checkpoints" / name).read_text()
        assert (runs.run_dir(windows) / "checkpoints" / named / "manifest.json").is_file()
