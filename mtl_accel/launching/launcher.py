"""Processes of one command on this machine, started by Accelerate's launcher, of which this process is the parent."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate.commands.launch import launch_command, launch_command_parser
from accelerate.utils import parse_flag_from_env, patch_environment
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from ..core.errors import EXIT_CODE, UserError
from . import parent
from .interrupts import EXIT_CODE as STOPPED
from .interrupts import SIGNALS

_POLL_SECONDS = 0.1
_SIGNALLED = 128  # a shell adds the number of the signal that ended a process
# Variables that launchers set for the processes that they start.
_LAUNCHED = ("WORLD_SIZE", "LOCAL_RANK", "ACCELERATE_MIXED_PRECISION")


def run_processes(module: str, arguments: Sequence[str], count: int) -> int:
    """Run `python -m MODULE ARGUMENTS` in processes that form a group, and wait for them.

    SIGINT, SIGTERM and SIGUSR1 are passed on to them. The launcher's own log and traceback are not shown: the messages
    of the processes come last.

    Returns:
        the exit code: that of a process that failed, 85 where they have stopped, and 0 where all have finished.

    Raises:
        UserError: the machine has fewer GPUs, or a launcher has started this process.
    """
    on_cpu = _check(count, os.environ)
    with tempfile.TemporaryDirectory() as folder, _signals() as received, ThreadPoolExecutor(1) as pool:
        # In the main thread it would handle signals, and kill the processes after 30 seconds, however long their last
        # checkpoint takes.
        variables = parent.variables(Path(folder)) | ({"ACCELERATE_USE_CPU": "true"} if on_cpu else {})
        launched = pool.submit(_launch, _options(Path(folder), module, arguments, count), variables)
        num_sent = 0
        while not launched.done():
            wait([launched], _POLL_SECONDS)
            if children := psutil.Process().children():  # they may not have started yet
                for number in received[num_sent:]:
                    _send(number, children)
                num_sent = len(received)
        exit_codes = launched.result()
        for line in parent.handed_over(Path(folder)):
            print(line, file=sys.stderr, flush=True)
    _report_killed(exit_codes, received)
    return _exit_code(exit_codes.values())


def _check(count: int, environment: Mapping[str, str]) -> bool:
    """Check that so many processes can be started; returns whether they work on CPUs. Raises UserError if not."""
    if launched := [f"{name} is {environment[name]}" for name in _LAUNCHED if name in environment]:
        raise UserError(
            f"--processes: a launcher has started this process ({', '.join(launched)}), and says how many there are; "
            "leave out --processes, or start without the launcher"
        )
    if parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available():
        return True
    devices, kind = torch.accelerator.device_count(), torch.accelerator.current_accelerator()
    if count > devices:
        raise UserError(
            f"--processes: {count} is more than the {devices} devices ({kind}) of this machine, and each process needs "
            "one; give a smaller number, or set ACCELERATE_USE_CPU=true to work on CPUs"
        )
    return False


def _options(folder: Path, module: str, arguments: Sequence[str], count: int) -> argparse.Namespace:
    """Options of `accelerate launch`; `folder` takes its settings."""
    settings = folder / "launch.json"
    settings.write_text(json.dumps(_settings(count)), encoding="utf-8")
    options = launch_command_parser().parse_args(["--config_file", str(settings), "--module", module])
    options.training_script_args = list(arguments)  # not parsed: some are options of the launcher, too
    return options


def _launch(options: argparse.Namespace, variables: Mapping[str, str]) -> dict[int, int]:
    """Run the launcher with variables; returns the exit codes of the processes that failed, by rank.

    A negative one is the number of a signal.
    """
    logging.disable(logging.ERROR)
    try:
        with patch_environment(**variables):
            launch_command(options)
    except ChildFailedError as error:
        return {rank: failure.exitcode for rank, failure in error.failures.items()}
    finally:
        logging.disable(logging.NOTSET)
    return {}


def _settings(count: int) -> dict[str, Any]:
    """Settings of `accelerate launch`, so that none of a user's own file holds.

    Accelerate starts several processes under MULTI_GPU only, on CPUs, too.
    """
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "num_processes": count,
        "num_machines": 1,
        "main_process_port": 0,
        "mixed_precision": "no",
    }


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that the processes are to get, in the order of their arrival."""
    received: list[int] = []
    previous = {number: signal.signal(number, lambda number, _: received.append(number)) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _send(number: int, processes: Iterable[psutil.Process]) -> None:
    # Not to their groups: the processes that read pictures would die of it, and the run with them.
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _report_killed(exit_codes: Mapping[int, int], received: Sequence[int]) -> None:
    """Say which process was killed, where none has said anything and nobody asked for it."""
    if received or any(code > 0 for code in exit_codes.values()):
        return
    for rank, code in exit_codes.items():
        if code != -signal.SIGTERM:  # by which the launcher ends the others
            print(f"error: process {rank} was ended by {signal.Signals(-code).name}", file=sys.stderr, flush=True)


def _exit_code(exit_codes: Iterable[int]) -> int:
    """Exit code of all, from those of the processes that did not end with 0.

    A process that loses another one ends with a message of its own (2), so that a crash (1) is the cause; and one that
    is still at its end when another one has stopped is ended by the launcher.
    """
    codes = set(exit_codes)
    crashed = sorted(code for code in codes if code > 0 and code not in (EXIT_CODE, STOPPED))
    known = [code for code in (*crashed, EXIT_CODE, STOPPED) if code in codes]
    # Those that the launcher itself has ended come last.
    killed = [_SIGNALLED - code for code in sorted(codes, key=lambda code: code == -signal.SIGTERM) if code < 0]
    return next(iter([*known, *killed]), 0)
