"""Between two looks at the loss no step waits for the device."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import real_runs as runs
import small_run
import torch
from torch.overrides import TorchFunctionMode

import mtl_accel
from mtl_accel import models
from mtl_accel.training import engine

_WAITS = {"item", "cpu", "tolist", "numpy", "nonzero", "__bool__", "__float__", "__int__", "__index__", "__array__"}
MIXING = [{"name": "mixup", "probability": 0.5}, {"name": "cutmix", "probability": 0.5}]


class Waits(TorchFunctionMode):
    """Counts what makes the host read a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        # By name only: the run's own device is a torch.device, which is this one too when there is no other.
        to_host = name == "to" and any(isinstance(argument, str) and argument == "cpu" for argument in args)
        if name in _WAITS or to_host:
            self.calls[name] += 1
        return function(*args, **(kwargs or {}))


def waits_of_an_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch, num_train: int, **changes: Any) -> Counter[str]:
    source = runs.write_source(folder / "source", num_train=num_train, num_validation=8)
    path = runs.write_config(folder / "c.json", source, epochs=1, log_every_steps=1000, **changes)
    counting, train_epoch = Waits(), engine.train_epoch

    def counted(*arguments: Any) -> bool:
        with counting:
            return train_epoch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "train_epoch", counted)
        mtl_accel.train(mtl_accel.read_config(path))
    return counting.calls


# A cache of "none" decodes, on the host anyway.
@pytest.mark.parametrize(("cache", "mixing"), [("disk", []), ("device", MIXING)])
def test_the_host_reads_one_value_a_step_and_that_a_step_late(tmp_path, monkeypatch, on_cpu, cache, mixing):
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    data = {"cache": cache, "cache_dir": str(tmp_path / "cache"), "num_workers": 0}
    few, many = (
        waits_of_an_epoch(
            tmp_path / str(n),
            monkeypatch,
            n,
            data={**data, "source": str(tmp_path / str(n) / "source")},
            mixing=mixing,
        )
        for n in (40, 80)
    )
    # The flags of the step before, which lie on the host by then (flags.DelayedRead). All else is once an epoch.
    assert many - few == Counter(tolist=(80 - 40) // 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_no_step_waits(tmp_path, monkeypatch):
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    forward_backward, sum_over_processes = engine.forward_backward, engine.sum_over_processes

    def strict(function: Any) -> Any:
        def called(*arguments: Any) -> Any:
            torch.cuda.set_sync_debug_mode("error")
            try:
                return function(*arguments)
            finally:
                torch.cuda.set_sync_debug_mode("default")

        return called

    monkeypatch.setattr(engine, "forward_backward", strict(forward_backward))
    monkeypatch.setattr(engine, "sum_over_processes", strict(sum_over_processes))
    source = runs.write_source(tmp_path / "source", num_train=40, num_validation=8)
    mtl_accel.train(mtl_accel.read_config(runs.write_config(tmp_path / "c.json", source, epochs=2, mixing=MIXING)))
