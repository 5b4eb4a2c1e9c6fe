"""Processes that this one starts have its plugins: the runs of a sweep, and the measurements of a benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mtl_accel
from mtl_accel.config import read_config
from mtl_accel.core.errors import UserError
from mtl_accel.core.plugins.loading import load_plugin, plugins_of_children
from mtl_accel.core.plugins.registrations import registrations
from mtl_accel.preflight.benchmark.fresh_process import in_fresh_process
from mtl_accel.preflight.benchmark.settings import Settings
from mtl_accel.preflight.benchmark.start import measure_start

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_plugins_left")]

PACKAGE = Path("tests/plugin_package/mtl_accel_shapes").resolve()
CONFIG = "tests/plugin_package/shapes.json"
RUN = """
import json, pathlib, sys
from mtl_accel.config import read_config
from mtl_accel.core.plugins.loading import take_plugins

option, path = take_plugins(sys.argv[1:])
assert option == "--config"
status = {"status": "finished", "used": read_config(path).model.width}
folder = pathlib.Path(read_config(path).run_dir)
folder.mkdir(parents=True, exist_ok=True)
(folder / "status.json").write_text(json.dumps(status))
"""


def test_the_runs_of_a_sweep_are_given_the_plugins(tmp_path: Path) -> None:
    load_plugin(PACKAGE)
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    done = mtl_accel.sweep([CONFIG], tmp_path / "sweep", [sys.executable, str(script)], grid={"model.width": [8]})
    assert done.failed == {}
    (member,) = done.members
    assert json.loads((member.folder / "status.json").read_bytes())["used"] == 8


def test_a_measurement_in_a_process_of_its_own_is_given_the_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_plugin(PACKAGE)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    config = read_config(
        CONFIG, {"data.cache_dir": str(tmp_path), "data.num_workers": 0, "balancing": {"name": "fixed"}}
    )
    row = in_fresh_process(measure_start, config, Settings(steps=2))
    assert row["start_seconds"] > 0


def test_a_plugin_that_no_other_process_could_import_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    cell = (
        "import mtl_accel\n@mtl_accel.register_metric('of_a_cell', kind='regression')\ndef of_a_cell(*a):\n    pass\n"
    )
    exec(cell, {"__name__": "__main__"})
    (name,) = {registration.plugin for registration in registrations()}
    assert plugins_of_children() == []
    with pytest.raises(UserError, match="cannot import a script or a notebook"):
        plugins_of_children([name])
