"""The Accelerator of a run, and the checks that it is what the config and the launcher asked for."""

from __future__ import annotations

import atexit
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, broadcast_object_list, parse_flag_from_env
from torch.nn.parallel import DistributedDataParallel

from ..config import Config
from ..core.errors import UserError
from ..core.processors import num_cores
from ..data.loading.sampler import check_sizes
from ..runs.log import tracker_problems
from . import agreement, ambient, precision
from .allocator import keep_freed_memory

_SUPPORTED = (
    DistributedType.NO,
    DistributedType.MULTI_CPU,
    DistributedType.MULTI_GPU,
    DistributedType.MULTI_XPU,
    DistributedType.MULTI_NPU,
)

# Newer releases of torch renamed the option and warn about the old name.
_SYNC_BUFFERS = "forward_sync_buffers"
if _SYNC_BUFFERS not in inspect.signature(DistributedDataParallel).parameters:
    _SYNC_BUFFERS = "broadcast_buffers"


class _DDP(DistributedDataParallelKwargs):
    """Options of DDP."""

    static_graph = False

    def to_kwargs(self) -> dict[str, Any]:
        # Buffers are averaged by RunningStatistics, exactly; DDP would copy those of the first process.
        return {_SYNC_BUFFERS: False, "gradient_as_bucket_view": True, "static_graph": self.static_graph}


def start_accelerator(
    config: Config, environment: Mapping[str, str] = os.environ, cache: Path | None = None
) -> tuple[Accelerator, int]:
    """Make the Accelerator of a run, and find its micro-batch size. `cache`: the folder that keeps what was measured.

    Raises:
        UserError: the processes did not form a group, they differ in config or code, something would change the
            numbers behind the config, or the config does not fit the machine.
    """
    if problems := [*tracker_problems(config.trackers), *ambient.problems(config, environment, None)]:
        raise UserError(problems)
    state = _join_processes(config, config.cpu_threads, environment, "launch/train.py")
    precision = _precision(config, environment, state, cache)
    _reset_other_precision(precision)
    accelerator = Accelerator(
        mixed_precision=precision,
        step_scheduler_with_optimizer=False,
        log_with=list(config.trackers) or None,
        project_dir=str(Path(config.run_dir)),
    )
    micro_batch_size = agreement.on_every_process(lambda: check_accelerator(accelerator, config))
    configure_ddp(accelerator, config, micro_batch_size)
    if state.device.type != "cpu":
        configure_cuda()
    return accelerator, micro_batch_size


def configure_ddp(accelerator: Accelerator, config: Config, micro_batch_size: int) -> None:
    """Set how the next objective is wrapped on several processes."""
    accelerator.ddp_handler = _DDP()  # not in kwargs_handlers, which knows Accelerate's own classes only
    # No static graph for a process that runs several micro-batches a step and skips the sums after all but the last,
    # nor where each task's gradient is taken by itself.
    by_task = config.balancing.name != "fixed" or config.conflict_every_steps is not None
    one_each = config.samples_per_step == micro_batch_size * accelerator.num_processes
    accelerator.ddp_handler.static_graph = one_each and not by_task


def wrap(
    accelerator: Accelerator, objective: torch.nn.Module, optimizer: torch.optim.Optimizer, *, moves: bool = True
) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Wrap the objective and its optimizer for mixed precision, and for DDP where there are other processes.

    A group of one process has nothing to sum. DDP would still own the gradients, and Accelerate's `no_sync` does
    nothing there, so that each micro-batch would write into the same buckets.

    Args:
        moves: whether the objective is moved to the device.
    """
    if accelerator.num_processes > 1:
        return accelerator.prepare(objective, optimizer, device_placement=[moves, moves])
    wrapped = accelerator.prepare_model(objective, device_placement=moves, evaluation_mode=True)
    return wrapped, accelerator.prepare(optimizer, device_placement=[moves])


def start_inference_accelerator(
    script: str, cpu_threads: int | None, environment: Mapping[str, str] = os.environ
) -> Accelerator:
    """Make the Accelerator of a script that trains nothing, which deals batches to the processes and gathers results.

    A finished model brings its precision and its batch size, so none has to fit the processes.

    Args:
        script: such as "launch/predict.py", for messages.

    Raises:
        UserError: the processes did not form a group, differ in their code, or were started in a way that is not
            supported.
    """
    if problems := ambient.problems(None, environment, None):
        raise UserError(problems)
    state = _join_processes(None, cpu_threads, environment, script)
    accelerator = Accelerator()
    if problems := _unsupported(accelerator):
        raise UserError(problems)
    if state.device.type != "cpu":
        configure_cuda()
    return accelerator


def _join_processes(
    config: Config | None, cpu_threads: int | None, environment: Mapping[str, str], script: str
) -> PartialState:
    """Form the group of processes, and check that all of them are about to do the same."""
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    check_num_processes(state.num_processes, environment, script)
    if state.device.type == "cpu":
        configure_threads(cpu_threads, environment)
        keep_freed_memory()
    agreement.raise_together(ambient.problems(config, environment, state.device.type))
    agreement.require_same_start(config, ambient.in_effect(config, environment, state.device.type))
    return state


def _reset_other_precision(precision: str) -> None:
    """Reset Accelerate's state where an earlier run of this process had another precision.

    Accelerate has one precision for a process and no public way to change it: it would ask for a new process.
    """
    if AcceleratorState._shared_state.get("_mixed_precision", precision) != precision:
        AcceleratorState._reset_state()


def launcher_precision(environment: Mapping[str, str]) -> str | None:
    """Precision that `accelerate launch` set, or notebook_launcher, whose variable Accelerate itself does not read.

    None: the user set none; both launchers set "no" then, too.
    """
    values = (environment.get(name) for name in ("ACCELERATE_MIXED_PRECISION", "MIXED_PRECISION"))
    return next((value for value in values if value in ("bf16", "fp16")), None)


def _precision(config: Config, environment: Mapping[str, str], state: PartialState, cache: Path | None) -> str:
    """Return the precision of the config, else of the launcher, else the faster one, which the first process finds."""
    if chosen := config.mixed_precision or launcher_precision(environment):
        return chosen
    found = [precision.fastest_precision(config, state.device, cache) if state.is_main_process else None]
    return str(broadcast_object_list(found)[0])


def configure_cuda() -> None:
    """Allow TensorFloat-32 for what stays in float32, and make cuDNN choose the same kernels in each run."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def configure_threads(configured: int | None, environment: Mapping[str, str]) -> None:
    """Use the configured number of threads, or what `accelerate launch` would leave unused.

    Without an option it gives each process one thread, and so leaves all other cores of a laptop idle.
    """
    if configured is not None:
        torch.set_num_threads(configured)
    elif "ACCELERATE_MIXED_PRECISION" in environment:
        cores = num_cores()
        torch.set_num_threads(max(cores // int(environment.get("LOCAL_WORLD_SIZE", 1)), 1))


def leave_at_exit() -> None:
    """Close the group of processes when this one ends, and not before: another run may follow in it."""
    atexit.unregister(_leave)
    atexit.register(_leave)


def _leave() -> None:
    PartialState().destroy_process_group()


def check_num_processes(found: int, environment: Mapping[str, str], script: str) -> None:
    """Raises: UserError when there are fewer processes than were launched."""
    wanted = int(environment.get("WORLD_SIZE", 1))
    if found != wanted:
        raise UserError(
            f"WORLD_SIZE is {wanted}, but this process found {found}: the processes would work "
            f"apart and overwrite one another's files. On CPUs start them with: ACCELERATE_USE_CPU=true "
            f"accelerate launch --multi_gpu --num_processes {wanted} {script} ..."
        )


def _unsupported(accelerator: Accelerator) -> list[str]:
    if accelerator.distributed_type in _SUPPORTED:
        return []
    return [
        f"{accelerator.distributed_type.value} is not supported: the models here fit one device, and data-parallel "
        "training is exact; start with launch/accelerate/many_gpus.yaml"
    ]


def check_accelerator(accelerator: Accelerator, config: Config) -> int:
    """Check the Accelerator against the config; returns the micro-batch size."""
    problems = _unsupported(accelerator)
    on_cpu = accelerator.device.type == "cpu"
    if on_cpu and accelerator.mixed_precision == "fp16":
        problems.append('mixed_precision: "fp16" does nothing on a CPU; use "bf16" or "no"')
    if on_cpu and config.sync_batchnorm:
        problems.append("sync_batchnorm: PyTorch has it only on GPUs; set it to false")
    micro_batch_size = 0
    try:
        micro_batch_size = check_sizes(config.samples_per_step, config.micro_batch_size, accelerator.num_processes)
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)
    return micro_batch_size
