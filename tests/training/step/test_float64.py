"""Apple's MPS has no float64: where a device has none, no step and no evaluation makes a number of it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import balanced_steps
import pytest
import real_runs as runs
import small_run
import torch
from accelerate.state import AcceleratorState, GradientState
from pydantic import TypeAdapter
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from mtl_accel import config as config_module
from mtl_accel import models
from mtl_accel.config.sections.balancing import Balancing
from mtl_accel.core import dtypes
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.launching.accelerator import start_accelerator
from mtl_accel.objective.balancing import BALANCERS, GradientBalancer
from mtl_accel.objective.balancing.loss_weights import RandomLossWeights
from mtl_accel.runs.log import RunLog
from mtl_accel.training import engine
from mtl_accel.training.build import build_run
from mtl_accel.training.loaders import build_pipelines

TASKS = {
    "category": {"kind": "multiclass", "column": "category"},
    "attribute": {"kind": "multilabel", "columns": ["big", "red"]},
    "left": {"kind": "regression", "columns": ["left"]},
}
JITTER = {"name": "ColorJitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.1, "hue": 0.1}
TRANSFORMS = {"train": [runs.FIXED[0], JITTER, runs.FIXED[1]], "eval": runs.FIXED}


class WithoutFloat64(TorchDispatchMode):
    """Fails where an operator gives a tensor of float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        made = [leaf.dtype for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
        assert torch.float64 not in made, f"{func} makes float64"
        return output


def on_the_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, outside of the mode: it runs on the host whatever the device is."""

    def called(*args: Any) -> Any:
        with _disable_current_modes():
            return function(*args)

    return called


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("drawn"), num_train=16, num_validation=8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def take_part(path: Path, balancing: dict[str, Any]) -> None:
    config = config_module.validate(config_module.read_json(path), str(path))
    config = config.model_copy(update={"balancing": TypeAdapter(Balancing).validate_python(balancing)})
    accelerator, micro_batch_size = start_accelerator(config)
    Path(config.run_dir).mkdir()
    log, labelled = RunLog(Path(config.run_dir), accelerator), read_dataset(config)
    run = build_run(config, build_pipelines(config), accelerator, labelled, micro_batch_size, log)
    with WithoutFloat64():
        balanced_steps.train(run)
        engine.predict(run, run.validation_loader)
    accelerator.free_memory()


WAYS = [
    {"name": name, **where}
    for name, balancer in BALANCERS.items()
    for where in ([{"where": "shared"}, {"where": "features"}] if issubclass(balancer, GradientBalancer) else [{}])
]


@pytest.mark.parametrize("balancing", WAYS, ids=lambda way: "-".join(way.values()))
def test_no_float64_is_made_on_a_device_without_it(
    balancing: dict[str, str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtypes, "NO_FLOAT64", frozenset({"cpu"}))
    monkeypatch.setattr(GradientBalancer, "weigh", on_the_host(GradientBalancer.weigh))
    monkeypatch.setattr(RandomLossWeights, "begin_step", on_the_host(RandomLossWeights.begin_step))
    mixing = [{"name": "mixup", "alpha": 0.2, "probability": 0.5}]
    more = {"gradient_clip_norm": 1.0, "ema_decay": 0.9, "conflict_every_steps": 1}
    path = runs.write_config(
        tmp_path / "c.json", source, tasks=TASKS, transforms=TRANSFORMS, mixing=mixing, epochs=1, **more
    )
    take_part(path, balancing)


def test_the_mode_of_these_tests_finds_the_float64_of_every_other_device(source: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="makes float64"):
        take_part(runs.write_config(tmp_path / "c.json", source, tasks=TASKS), {"name": "fixed"})
