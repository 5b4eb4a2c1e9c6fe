"""What the tests of checkpoints share: a content for a number, and processes that die or meet a fault on time."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import torch

from mtl_accel.core.errors import UserError
from mtl_accel.runs.checkpoint import Checkpoint, save, step_name

# Python's own file operations; fsync has no audit event and is counted by a wrapper.
_OPERATIONS = frozenset(
    ["open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.chmod", "shutil.rmtree"]
)
KILLED, REFUSED = 9, 20


def content(seed: int, numbers: int = 5) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]]:
    torch.manual_seed(seed)
    tensors = {
        "model": {"weight": torch.randn(numbers, 3), "bias": torch.randn(3).to(torch.bfloat16)},
        "optimizer": {"0.step": torch.tensor(float(seed)), "0.exp_avg": torch.randn(numbers, 3)},
    }
    return tensors, {"step": seed, "loss": torch.rand(1).item(), "history": [{"epoch": 1, "f1": 0.1}]}


def save_step(root: Path, step: int, seed: int | None = None, keep_last: int = 2, best: bool = False) -> Path:
    tensors, state = content(step if seed is None else seed)
    return save(root, step_name(step), tensors, state, keep_last, best)


def holds(found: Checkpoint | None, seed: int) -> bool:
    tensors, state = content(seed)
    return found is not None and repr(found.state) == repr(state) and _same(found.tensors, tensors)


def _same(left: dict[str, dict[str, torch.Tensor]], right: dict[str, dict[str, torch.Tensor]]) -> bool:
    return left.keys() == right.keys() and all(
        left[group].keys() == members.keys()
        and all(
            left[group][name].dtype == tensor.dtype and torch.equal(left[group][name], tensor)
            for name, tensor in members.items()
        )
        for group, members in right.items()
    )


def steps(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("step-*"))


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.rglob(".tmp-*")]


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a forked process that does `work`; negative for the signal that killed it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        torch.set_num_threads(1)  # The pool of threads did not come along.
        try:
            work()
            code = 0
        except UserError:
            code = REFUSED
        except Exception:  # noqa: BLE001 (a child must never return into pytest)
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


_actions: list[Callable[[], None]] = []
_hooked: list[bool] = []


def _on_event(event: str, _: tuple[Any, ...]) -> None:
    if _actions and event in _OPERATIONS:
        _actions[-1]()


@contextmanager
def before_each_operation(act: Callable[[int], None]) -> Iterator[None]:
    """Calls `act` with 0, 1, 2, ... before every file operation of this process; not for those of `act` itself."""
    if not _hooked:
        sys.addaudithook(_on_event)  # Can never be removed; without actions it does nothing.
        _hooked.append(True)
    numbers, fsync, acting = count(), os.fsync, False

    def step() -> None:
        nonlocal acting
        if not acting:
            acting = True
            act(next(numbers))
            acting = False

    def stepped_fsync(descriptor: int) -> None:
        step()
        fsync(descriptor)

    _actions.append(step)
    os.fsync = stepped_fsync
    try:
        yield
    finally:
        os.fsync = fsync
        _actions.pop()
