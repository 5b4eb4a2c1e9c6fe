"""What is saved comes back exactly; the newest and the best are kept; a former owner cannot publish."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_faults import content, holds, leftovers, save_step, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_accel.core.errors import UserError
from mtl_accel.runs.checkpoint import load, save, step_name


def test_named_folder_is_loaded_itself_or_refused(tmp_path: Path) -> None:
    first, second = save_step(tmp_path, 1), save_step(tmp_path, 2)
    assert holds(load(first), 1)
    shutil.copytree(first, tmp_path / "copy")
    assert holds(load(tmp_path / "copy"), 1)
    (second / "model.safetensors").unlink()
    for path in (second, tmp_path / "last", tmp_path / step_name(3)):
        with pytest.raises(UserError, match="no whole checkpoint"):
            load(path)


def test_copy_that_followed_the_links_still_loads_and_saves(tmp_path: Path) -> None:
    save_step(tmp_path / "run", 1, best=True)
    save_step(tmp_path / "run", 2)
    root = shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=False)
    assert holds(load(root), 2)
    save_step(root, 3, best=True)
    assert (root / "last").is_symlink() and (root / "best").is_symlink()
    assert holds(load(root), 3)


def test_former_owner_cannot_publish(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    save_step(root, 1)
    (tmp_path / ".lock").write_text(json.dumps({"host": "node7", "pid": 41, "started": "today"}))
    answers = iter([True, False])
    tensors, state = content(2)
    with pytest.raises(UserError, match=r"now belongs to node7:41"):
        save(root, step_name(2), tensors, state, 2, True, is_owner=lambda: next(answers))
    assert steps(root) == [step_name(1)] and leftovers(root) == []
    assert holds(load(root), 1)


def test_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in range(1, 8):
        save_step(tmp_path, step, keep_last=2, best=step == 3)
    assert steps(tmp_path) == [step_name(step) for step in (3, 6, 7)]
    assert holds(load(tmp_path / "best"), 3)
    assert (tmp_path / "last").readlink() == Path(step_name(7))


def test_saving_one_step_again_replaces_it_without_costing_an_older_one(tmp_path: Path) -> None:
    save_step(tmp_path, 1)
    for seed in (2, 22, 222):
        save_step(tmp_path, 2, seed)
        assert holds(load(tmp_path), seed)
    assert len(steps(tmp_path)) == 2
    (tmp_path / "last" / "state.json").unlink()
    assert holds(load(tmp_path), 1)


def test_files_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in save_step(tmp_path, 1).iterdir()}
    (tmp_path / "plain").touch()
    assert modes == {(tmp_path / "plain").stat().st_mode & 0o777}


_FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
_DTYPES = [*_FLOATS, torch.int64, torch.int32, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (4, 5)])
def test_every_dtype_and_shape_comes_back_exactly(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 100).to(dtype)
    save(tmp_path, step_name(1), {"model": {"a.b": tensor}, "optimizer": {}}, {}, 1, False)
    found = load(tmp_path)
    assert found is not None and found.tensors["optimizer"] == {}
    back = found.tensors["model"]["a.b"]
    assert back.dtype == dtype and back.shape == shape and torch.equal(back, tensor)


def test_views_and_shared_and_special_values_come_back_exactly(tmp_path: Path) -> None:
    base = torch.arange(24.0).view(4, 6)
    special = torch.tensor([math.nan, math.inf, -math.inf, -0.0, 1e-45])
    group = {
        "whole": base,
        "tied": base,
        "transposed": base.t(),
        "slice": base[1:3, ::2],
        "expanded": torch.ones(1).expand(5),
        "parameter": torch.nn.Parameter(base[0]),
        "special": special,
    }
    save(tmp_path, step_name(1), {"model": group}, {}, 1, False)
    found = load(tmp_path)
    assert found is not None
    assert all(torch.equal(found.tensors["model"][name], group[name]) for name in group if name != "special")
    assert torch.equal(found.tensors["model"]["special"].view(torch.int32), special.view(torch.int32))


def test_loaded_tensors_outlive_their_files(tmp_path: Path) -> None:
    save_step(tmp_path, 1)
    found = load(tmp_path)
    for path in (tmp_path / step_name(1)).iterdir():
        path.write_bytes(b"\xff" * path.stat().st_size)
    assert holds(found, 1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(state=st.dictionaries(st.text(), _JSON, max_size=4))
def test_state_comes_back_exactly_with_nan_and_infinities(state: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), step_name(1), {}, state, 1, False)
        found = load(Path(folder))
    assert found is not None and repr(found.state) == repr(state)


def test_state_that_json_would_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"state.json.groups\[0\]: key 0 is a int"):
        save(tmp_path, step_name(1), {}, {"groups": [{0: "x"}]}, 1, False)
    with pytest.raises(TypeError):
        save(tmp_path, step_name(1), {}, {"tensor": torch.ones(1)}, 1, False)
    assert load(tmp_path) is None
