"""Nothing in the environment or in the process changes a run's numbers behind its config without a word."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import accelerate
import pytest
import real_runs as runs
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

from mtl_accel.config import Config, read_json, validate
from mtl_accel.core.errors import UserError
from mtl_accel.launching import ambient
from mtl_accel.launching.accelerator import start_accelerator, start_inference_accelerator
from mtl_accel.launching.ambient import SETTINGS, VARIABLES, Ambient

pytestmark = pytest.mark.usefixtures("not_launched")

REFUSED = [one for one in VARIABLES if one.fix is not None]
TOLD = [one for one in VARIABLES if one.fix is None]
VALUES = {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4", "ACCELERATE_MIXED_PRECISION": "fp8"}  # else "true"

# What else Accelerate reads, by the first letters of a name, and why no number of a run depends on it.
WITHOUT_EFFECT = {
    "ACCELERATE_DYNAMO_": "without ACCELERATE_DYNAMO_BACKEND",
    "ACCELERATE_DEEPSPEED_": "without ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_CONFIG_DS_FIELDS": "without ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_GRADIENT_CLIPPING": "without ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_FP8": "without fp8",
    "ACCELERATE_ALLOW_CP_STANDALONE": "without ACCELERATE_USE_PARALLELISM_CONFIG",
    "ACCELERATE_SAGEMAKER_DISTRIBUTED_TYPE": "without ACCELERATE_USE_SAGEMAKER",
    "ACCELERATE_USE_CPU": "says where to run; the first line of a run's log names the device",
    "ACCELERATE_TORCH_DEVICE": "says where to run; the first line of a run's log names the device",
    "ACCELERATE_NUM_PROCESSES": "says how many processes an elastic launch begins with",
    "ACCELERATE_CPU_AFFINITY": "binds processes to cores",
    "ACCELERATE_BYPASS_DEVICE_MAP": "concerns models that are spread over devices",
    "ACCELERATE_INIT_INCLUDE_BUFFERS": "concerns models that are made without memory",
    "ACCELERATE_DOWNCAST_BF16": "concerns TPUs, which are refused",
    "ACCELERATE_DEBUG_": "checks the shapes of collectives",
    "ACCELERATE_LOG_LEVEL": "concerns messages",
    "ACCELERATE_ENABLE_RICH": "concerns messages",
}


def config_of(**changes) -> Config:
    path = Path("configs/quickstart.json")
    return validate(read_json(path) | {"mixed_precision": "no"} | changes, str(path))


def value_of(variable: Ambient) -> str:
    return VALUES.get(variable.name, "true")


@pytest.mark.parametrize("variable", REFUSED, ids=lambda one: one.name)
def test_a_variable_that_would_change_the_numbers_is_refused_with_its_fix(variable):
    config, environment = config_of(compile=variable.compiled), {variable.name: value_of(variable)}
    with pytest.raises(UserError) as caught:
        start_accelerator(config, environment)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable.name} is {value_of(variable)!r}, which ") and problem.endswith(variable.fix)


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda one: one.name)
def test_a_value_that_changes_nothing_is_taken_without_a_word(variable):
    config, device = config_of(compile=variable.compiled), variable.device or "cpu"
    for value in variable.harmless:
        for environment in ({variable.name: value}, {variable.name: value.upper()}, {}):
            assert ambient.problems(config, environment, variable.device) == []
            assert ambient.in_effect(config, environment, device) == {}


def test_several_variables_are_told_at_once():
    with pytest.raises(UserError) as caught:
        start_accelerator(config_of(), {one.name: value_of(one) for one in REFUSED if not (one.compiled or one.device)})
    assert len(caught.value.problems) == len([one for one in REFUSED if not (one.compiled or one.device)]) > 5


@pytest.mark.parametrize("variable", TOLD, ids=lambda one: one.name)
def test_a_variable_that_holds_is_told_on_the_devices_where_it_does(variable):
    config, environment = config_of(compile=variable.compiled), {variable.name: "1"}
    for device in ("cpu", "cuda"):
        in_effect = ambient.in_effect(config, environment, device)
        assert list(in_effect) == ([variable.name] if variable.device in (None, device) else [])
        assert all(text.startswith("'1', which ") for text in in_effect.values())


def test_what_concerns_compiled_models_alone_is_no_matter_without_compile():
    environment = {one.name: "1" for one in VARIABLES if one.compiled}
    assert environment and ambient.problems(config_of(), environment, None) == []
    assert ambient.in_effect(config_of(), environment, "cpu") == {}


def test_every_variable_that_accelerate_reads_is_known():
    """A new release may read a new one: look what it does, and put it into VARIABLES or above."""
    package = Path(accelerate.__file__).parent
    files = [path for path in package.rglob("*.py") if "test_utils" not in path.parts]
    quoted = {name for path in files for name in re.findall(r"[\"'](ACCELERATE_[A-Z0-9_]+)[\"']", path.read_text())}
    names = {name for name in quoted if not name.endswith("_")}  # the others are the beginnings of names
    known = {one.name for one in VARIABLES}
    left = [name for name in sorted(names - known) if not name.startswith(tuple(WITHOUT_EFFECT))]
    assert left == [] and len(names) > 20


@contextlib.contextmanager
def precision(name: str):
    operation = getattr(torch.backends.mkldnn, name)
    before = operation.fp32_precision
    operation.fp32_precision = "bf16"
    yield
    operation.fp32_precision = before


@contextlib.contextmanager
def after(change: Callable[[], object], back: Callable[[], object]):
    change()
    yield
    back()


@contextlib.contextmanager
def accumulating():
    """The user's own Accelerator, within the first of four micro-batches."""
    own = Accelerator(gradient_accumulation_steps=4)
    with own.accumulate():
        yield
    GradientState._reset_state()


@contextlib.contextmanager
def compiling():
    Accelerator(dynamo_backend="eager")
    yield
    AcceleratorState._reset_state()


# How the process of a user gets there.
CHANGES: dict[str, Callable[[], AbstractContextManager]] = {
    "torch.get_default_dtype()": lambda: after(
        lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)
    ),
    "torch.get_default_device()": lambda: torch.device("meta"),
    "torch.autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "torch.is_grad_enabled()": torch.inference_mode,
    "torch.backends.mkldnn.matmul.fp32_precision": lambda: precision("matmul"),
    "torch.backends.mkldnn.conv.fp32_precision": lambda: precision("conv"),
    "Accelerator.sync_gradients": accumulating,
    "Accelerator.state.dynamo_plugin": compiling,
    "torch.set_flush_denormal": lambda: after(
        lambda: torch.set_flush_denormal(True), lambda: torch.set_flush_denormal(False)
    ),
    "torch.are_deterministic_algorithms_enabled()": lambda: after(
        lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False)
    ),
    "torch.backends.mkldnn.enabled": lambda: after(
        lambda: setattr(torch.backends.mkldnn, "enabled", False),
        lambda: setattr(torch.backends.mkldnn, "enabled", True),
    ),
    "torch.backends.cudnn.enabled": lambda: torch.backends.cudnn.flags(enabled=False),
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.name)
def test_a_setting_of_the_process_is_refused_or_told(setting: Ambient):
    config, device = config_of(), setting.device or "cpu"
    assert ambient.problems(config, {}, setting.device) == [] and ambient.in_effect(config, {}, device) == {}
    with CHANGES[setting.name]():
        problems, in_effect = ambient.problems(config, {}, setting.device), ambient.in_effect(config, {}, device)
        if setting.fix is not None and device == "cpu":
            with pytest.raises(UserError, match=re.escape(f"{setting.name} is ")):
                start_accelerator(config, {})
    assert len(problems) == (setting.fix is not None) and list(in_effect) == (
        [setting.name] if setting.fix is None else []
    )
    assert ambient.problems(config, {}, setting.device) == []


def test_a_script_that_trains_nothing_may_run_where_no_gradient_is_wanted():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        start_inference_accelerator("launch/predict.py", 1, {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"})
    with pytest.raises(UserError, match="ACCELERATE_USE_FSDP is 'true'"):
        start_inference_accelerator("launch/predict.py", 1, {"ACCELERATE_USE_FSDP": "true"})


def test_the_log_of_a_run_says_what_holds_beside_its_config(tmp_path):
    source = runs.write_source(tmp_path / "source", num_train=8, num_validation=4)
    config = runs.write_config(tmp_path / "c.json", source, epochs=1)
    output = runs.run(config, ATEN_CPU_CAPABILITY="default", ACCELERATE_MIXED_PRECISION="bf16")
    log = (runs.run_dir(config) / "log.txt").read_text().splitlines()
    assert log[1].startswith("ATEN_CPU_CAPABILITY is 'default', which chooses other kernels") and log[1] in output
    assert log[2] == "mixed_precision 'no' of the config holds, and not 'bf16' of the launcher"


def test_the_precision_of_a_notebook_s_launcher_holds_where_the_config_says_none():
    environment = {"MIXED_PRECISION": "bf16"}  # as notebook_launcher(mixed_precision="bf16") sets it
    assert start_accelerator(config_of(mixed_precision=None), environment)[0].mixed_precision == "bf16"
    assert start_accelerator(config_of(mixed_precision="no"), environment)[0].mixed_precision == "no"
