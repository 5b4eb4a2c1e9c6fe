"""Damaged, truncated and hostile checkpoints are detected before anything in them is used."""

from __future__ import annotations

import json
import logging
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from checkpoint_faults import holds, in_child, save_step

from mtl_accel.core.errors import UserError
from mtl_accel.runs import manifest
from mtl_accel.runs.checkpoint import load, step_name

# Newer Pythons warn when a process with threads forks; these children only write files.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def _damaged_is_detected(root: Path, damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    assert holds(load(root), 1), damaged
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert str(root / step_name(2)) in warning and str(root / step_name(1)) in warning


def test_any_flipped_byte_is_detected_and_the_older_checkpoint_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_step(tmp_path, 1)
    files = sorted(save_step(tmp_path, 2).iterdir())
    assert len(files) == 4
    for path in files:
        whole = path.read_bytes()
        for position in range(0, len(whole), max(1, len(whole) // 50)):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << (position % 8)
            path.write_bytes(flipped)
            _damaged_is_detected(tmp_path, path, caplog)
        path.write_bytes(whole)
    assert holds(load(tmp_path), 2)


def test_truncated_longer_or_missing_files_are_detected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_step(tmp_path, 1)
    for path in sorted(save_step(tmp_path, 2).iterdir()):
        whole = path.read_bytes()
        for wrong in (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], whole + b"\0"):
            path.write_bytes(wrong)
            _damaged_is_detected(tmp_path, path, caplog)
        path.unlink()
        _damaged_is_detected(tmp_path, path, caplog)
        path.mkdir()
        _damaged_is_detected(tmp_path, path, caplog)
        path.rmdir()
        os.mkfifo(path)
        _damaged_is_detected(tmp_path, path, caplog)
        path.unlink()
        path.write_bytes(whole)


def test_fallback_goes_back_in_time_before_it_goes_forward(tmp_path: Path) -> None:
    for step, best in ((1, False), (5, True), (3, False)):
        folder = save_step(tmp_path, step, best=best)
    (folder / "state.json").unlink()
    assert holds(load(tmp_path), 1)
    (tmp_path / step_name(1) / "state.json").unlink()
    assert holds(load(tmp_path), 5)


def test_no_checkpoint_yet_is_none_but_only_damaged_ones_are_an_error(tmp_path: Path) -> None:
    assert load(tmp_path / "never") is None
    assert load(tmp_path) is None
    for step in (1, 2):
        (save_step(tmp_path, step) / "state.json").write_text("{}")
    with pytest.raises(UserError) as refusal:
        load(tmp_path)
    assert step_name(1) in str(refusal.value) and step_name(2) in str(refusal.value)


class _Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_laid_in_pickles_are_neither_opened_nor_run(tmp_path: Path) -> None:
    root, mark = tmp_path / "checkpoints", tmp_path / "code ran"
    names = ["optimizer.bin", "model.pt", "random_states_0.pkl", "scheduler.bin", "data.pkl", "pytorch_model.bin"]
    folder = save_step(root, 1, best=True)
    for place in (root, folder):
        for name in names:
            (place / name).write_bytes(pickle.dumps(_Payload(mark)))
    forbidden: list[str] = []

    def watched() -> None:
        def hook(event: str, args: tuple[Any, ...]) -> None:
            if event.startswith("pickle") or (event == "open" and Path(str(args[0])).name in names):
                forbidden.append(event)

        sys.addaudithook(hook)
        assert holds(load(root), 1)
        save_step(root, 2)
        assert holds(load(root), 2)
        assert forbidden == []

    assert in_child(watched) == 0
    pickle.loads((folder / "model.pt").read_bytes())
    assert mark.exists(), "the payload was harmless, so the test proved nothing"


def test_pickle_in_the_place_of_tensors_is_refused_even_with_a_fitting_manifest(tmp_path: Path) -> None:
    mark, folder = tmp_path / "code ran", tmp_path / step_name(1)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(pickle.dumps(_Payload(mark)))
    (folder / "state.json").write_text("{}")
    manifest.write(folder)
    with pytest.raises(UserError, match="not a safetensors file"):
        load(tmp_path)
    assert not mark.exists()


def test_manifest_cannot_point_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder = tmp_path / "c" / step_name(1)
    folder.mkdir(parents=True)
    for name in ("../../secret", "/etc/passwd", ".", "", "a/b", "\0"):
        files = {name: {"bytes": 1, "sha256": "0" * 64}}
        (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": files}, indent=1) + "\n")
        with pytest.raises(UserError, match="no plain file"):
            load(tmp_path / "c")
