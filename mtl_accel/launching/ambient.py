"""Variables and settings that change a run's numbers behind its config: each is named in the log, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from accelerate.state import AcceleratorState, GradientState

from ..config import Config

_OFF = ("", "0", "n", "no", "false", "f", "off")  # the values that Accelerate reads as false
_START_PLAINLY = "unset it, and start with launch/accelerate/many_gpus.yaml, which trains data-parallel"
_ROUNDED = "lets float32 be rounded to fewer bits"
_KERNELS = "chooses other kernels, so the last digits are others"


@dataclass(frozen=True)
class Ambient:
    """A variable of the environment, or a setting of torch or Accelerate that other code of the process may change.

    Attributes:
        effect: what a value does that is not harmless.
        fix: what to do instead, where the value is refused; None: the value holds, and the log names it.
        harmless: values, in lower case, that change nothing.
        device: the type of device on which it has an effect; None: on any.
        compiled: whether it has one only with `compile`.
        trains: whether it has one only where a model is trained.
        setting: reads a setting; None: a variable of that name.
    """

    name: str
    effect: str
    fix: str | None = None
    harmless: tuple[str, ...] = ("",)
    device: str | None = None
    compiled: bool = False
    trains: bool = False
    setting: Callable[[], str] | None = None

    def read(self, environment: Mapping[str, str]) -> str | None:
        """Return the value, or None where it has no effect."""
        value = environment.get(self.name, "") if self.setting is None else self.setting()
        return None if value.strip().lower() in self.harmless else value


VARIABLES = (
    Ambient(
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS",
        "makes Accelerate divide every gradient by it",
        "unset it, and set micro_batch_size: the gradient stays that of the whole batch",
        ("", "1"),
        trains=True,
    ),
    Ambient(
        "ACCELERATE_MIXED_PRECISION",
        "is a precision that the models here do not train in",
        'set mixed_precision to "bf16", "fp16" or "no"',
        ("", "no", "bf16", "fp16"),
    ),
    Ambient(
        "ACCELERATE_DYNAMO_BACKEND",
        "makes Accelerate compile the model",
        "unset it, and set compile to true",
        ("", "no"),
        trains=True,
    ),
    Ambient("ACCELERATE_USE_FSDP", "asks for sharded training", _START_PLAINLY, _OFF),
    Ambient("ACCELERATE_USE_DEEPSPEED", "asks for DeepSpeed", _START_PLAINLY, _OFF),
    Ambient("ACCELERATE_USE_MEGATRON_LM", "asks for Megatron-LM", _START_PLAINLY, _OFF),
    Ambient("ACCELERATE_USE_PARALLELISM_CONFIG", "asks for tensor or context parallelism", _START_PLAINLY, _OFF),
    Ambient(
        "ONEDNN_DEFAULT_FPMATH_MODE", _ROUNDED, 'unset it, and set mixed_precision to "bf16"', ("", "strict"), "cpu"
    ),
    Ambient("DNNL_DEFAULT_FPMATH_MODE", _ROUNDED, 'unset it, and set mixed_precision to "bf16"', ("", "strict"), "cpu"),
    Ambient("TORCH_COMPILE_DISABLE", "turns compile off", "unset it, or set compile to false", _OFF, compiled=True),
    Ambient("TORCHDYNAMO_DISABLE", "turns compile off", "unset it, or set compile to false", _OFF, compiled=True),
    Ambient("TORCHINDUCTOR_EMULATE_PRECISION_CASTS", "rounds where eager code does", harmless=_OFF, compiled=True),
    Ambient("ACCELERATE_USE_SAGEMAKER", "sums gradients by SageMaker's library, in its own order", harmless=_OFF),
    Ambient("NVIDIA_TF32_OVERRIDE", "turns TensorFloat-32 off or on for all of CUDA's libraries", device="cuda"),
    Ambient("NCCL_ALGO", "sets the order in which NCCL sums gradients", device="cuda"),
    Ambient("NCCL_PROTO", "sets the order in which NCCL sums gradients", device="cuda"),
    Ambient("CUBLAS_WORKSPACE_CONFIG", _KERNELS, device="cuda"),
    Ambient("TORCH_CUDNN_V8_API_DISABLED", _KERNELS, harmless=_OFF, device="cuda"),
    Ambient("ATEN_CPU_CAPABILITY", _KERNELS, device="cpu"),
    Ambient("ONEDNN_MAX_CPU_ISA", _KERNELS, device="cpu"),
    Ambient("DNNL_MAX_CPU_ISA", _KERNELS, device="cpu"),
    Ambient("MKL_CBWR", _KERNELS, device="cpu"),
    Ambient("MKL_ENABLE_INSTRUCTIONS", _KERNELS, device="cpu"),
)


def _autocast() -> str:
    return ", ".join(kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)) or "off"


def _gradients() -> str:
    return "off" if torch.is_inference_mode_enabled() or not torch.is_grad_enabled() else "on"


def _rounding_on_cpu(operation: str) -> str:
    return str(getattr(torch.backends.mkldnn, operation).fp32_precision)


def _denormals() -> str:
    smallest = torch.finfo(torch.float32).tiny
    return str(bool(torch.full((), smallest, device="cpu") / 2 == 0))


def _compiled_by_accelerate() -> str:
    plugin = AcceleratorState._shared_state.get("dynamo_plugin")  # no public name leaves the state as it is
    return "NO" if plugin is None else str(plugin.backend.value)


def _synchronizing() -> str:
    return str(GradientState._shared_state.get("sync_gradients", True))


SETTINGS = (
    Ambient(
        "torch.get_default_dtype()",
        "makes the model's parameters of that type",
        "call torch.set_default_dtype(torch.float32) before",
        ("torch.float32",),
        setting=lambda: str(torch.get_default_dtype()),
    ),
    Ambient(
        "torch.get_default_device()",
        "puts new tensors there",
        'call torch.set_default_device("cpu") before',
        ("cpu",),
        setting=lambda: torch.get_default_device().type,
    ),
    Ambient(
        "torch.autocast",
        "casts what the model computes",
        "train outside of it",
        ("off",),
        trains=True,
        setting=_autocast,
    ),
    Ambient(
        "torch.is_grad_enabled()",
        "leaves no gradient",
        "train outside of torch.no_grad() and torch.inference_mode()",
        ("on",),
        trains=True,
        setting=_gradients,
    ),
    Ambient(
        "torch.backends.mkldnn.matmul.fp32_precision",
        _ROUNDED,
        'call torch.set_float32_matmul_precision("highest") before, and set mixed_precision to "bf16"',
        ("none", "ieee", "tf32"),  # no CPU here has TensorFloat-32
        "cpu",
        setting=lambda: _rounding_on_cpu("matmul"),
    ),
    Ambient(
        "torch.backends.mkldnn.conv.fp32_precision",
        _ROUNDED,
        'set it to "ieee" before, and set mixed_precision to "bf16"',
        ("none", "ieee", "tf32"),
        "cpu",
        setting=lambda: _rounding_on_cpu("conv"),
    ),
    Ambient(
        "Accelerator.sync_gradients",
        "makes Accelerate skip every step of the optimizer",
        "leave the accumulate() or no_sync() of the other Accelerator before, or start a new process",
        ("true",),
        trains=True,
        setting=_synchronizing,
    ),
    Ambient(
        "Accelerator.state.dynamo_plugin",
        "makes Accelerate compile the model",
        "start a new process, without the Accelerator that was made for it, and set compile to true",
        ("no",),
        trains=True,
        setting=_compiled_by_accelerate,
    ),
    Ambient("torch.set_flush_denormal", "takes the smallest numbers for 0", harmless=("false",), setting=_denormals),
    Ambient(
        "torch.are_deterministic_algorithms_enabled()",
        _KERNELS,
        harmless=("false",),
        setting=lambda: str(torch.are_deterministic_algorithms_enabled()),
    ),
    Ambient(
        "torch.backends.mkldnn.enabled",
        _KERNELS,
        harmless=("true",),
        device="cpu",
        setting=lambda: str(torch.backends.mkldnn.enabled),
    ),
    Ambient(
        "torch.backends.cudnn.enabled",
        _KERNELS,
        harmless=("true",),
        device="cuda",
        setting=lambda: str(torch.backends.cudnn.enabled),
    ),
)


def problems(config: Config | None, environment: Mapping[str, str], device: str | None) -> list[str]:
    """Say what has to be put right before a start, a line each.

    Args:
        config: None: of a script that trains nothing.
        device: look at what has an effect on this type of device alone; None: on any.
    """
    found = _with_effect(config, environment, (device,))
    return [f"{one.name} is {value!r}, which {one.effect}; {one.fix}" for one, value in found if one.fix is not None]


def in_effect(config: Config | None, environment: Mapping[str, str], device: str) -> dict[str, str]:
    """Return the values that hold beside the config on this type of device, by name, with what they do."""
    found = _with_effect(config, environment, (None, device))
    return {one.name: f"{value!r}, which {one.effect}" for one, value in found if one.fix is None}


def _with_effect(
    config: Config | None, environment: Mapping[str, str], devices: tuple[str | None, ...]
) -> list[tuple[Ambient, str]]:
    """Find what has an effect on this config and one of these types of device, with its value."""
    compiles, trains = config is not None and config.compile, config is not None
    found = [one for one in (*VARIABLES, *SETTINGS) if (compiles or not one.compiled) and (trains or not one.trains)]
    values = [(one, one.read(environment)) for one in found if one.device in devices]
    return [(one, value) for one, value in values if value is not None]
