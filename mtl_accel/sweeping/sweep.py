"""A whole sweep: checked and run; started again, it continues."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..launching.interrupts import EXIT_CODE as STOPPED
from ..launching.interrupts import Interrupts
from ..runs.lock import lock_run_folder
from .plan import Member, plan_runs
from .runner import Runner
from .search import Search
from .space import parse_space

_FAILED = 1  # exit code of a sweep in which a run has failed


@dataclass(frozen=True)
class Sweep:
    """The end of a sweep.

    Attributes:
        members: the runs that have finished, in their order.
        failed: messages of those that have failed, by their names.
        stopped: whether it was asked to stop; it continues when it is started again.
    """

    folder: Path
    members: list[Member]
    failed: dict[str, str]
    stopped: bool

    @property
    def exit_code(self) -> int:
        return STOPPED if self.stopped else _FAILED if self.failed else 0


def sweep(
    configs: Sequence[str | Path],
    output: str | Path,
    command: Sequence[str],
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    seeds: Sequence[int] = (),
    overrides: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    trials: int | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
) -> Sweep:
    """Run configs, one after another, each in a process and a folder of its own; finished runs are not run again.

    Args:
        command: starts a run when `--config FILE` is added to it, such as ["python", "launch/train.py"].
        grid: lists of values by dotted paths; each combination is a run.
        seeds: each combination runs with each; empty: with the config's own.
        overrides: knobs of every run by dotted paths.
        variants: {name: knobs by dotted paths}: each config runs as it is, and with the knobs of each of them.
        search: instead of a grid: ranges and choices by dotted paths, from which Optuna draws.
        trials: number of trials of a search.

    Raises:
        UserError: everything that is wrong with the arguments, before the first run starts.
    """
    paths, folder = [Path(path) for path in configs], Path(output)
    if problems := _problems(paths, folder, variants if grid is None else grid, search, trials):
        raise UserError(problems)
    run_all: Callable[[Runner], None]
    if search is None:
        run_all = functools.partial(_run_each, plan_runs(paths, folder, grid or {}, seeds, overrides or {}, variants))
    else:
        optuna_search = Search(paths[0], folder, parse_space(search), seeds, overrides or {})
        run_all = functools.partial(optuna_search.run, trials=trials or 0)
    with lock_run_folder(folder, "--output"), Interrupts() as interrupts:
        runner = Runner(command, folder / "configs", interrupts)
        run_all(runner)
    return _result(folder, runner)


def _run_each(members: Sequence[Member], runner: Runner) -> None:
    for number, member in enumerate(members, start=1):
        if not runner.stopped:
            runner.run(member, f"{number} of {len(members)}")


def _result(folder: Path, runner: Runner) -> Sweep:
    finished = [member for member, outcome in runner.ended if outcome.status == "finished"]
    failed = {member.name: outcome.message for member, outcome in runner.ended if outcome.status == "failed"}
    return Sweep(folder, finished, failed, runner.stopped)


def _problems(
    configs: Sequence[Path],
    output: Path,
    varied: Mapping[str, Any] | None,
    search: Mapping[str, Any] | None,
    trials: int | None,
) -> list[str]:
    problems = []
    if output.exists() and not output.is_dir():
        problems.append(f"--output: {output} is no folder; name one for the runs")
    if search is None:
        return problems + (["--trials: only with --search"] if trials is not None else [])
    if varied is not None:
        problems.append(
            "--grid or --variants and --search exclude one another; give a range of --search as choices instead"
        )
    if len(configs) > 1:
        problems.append(f"--config: --search takes one config (got {len(configs)})")
    if trials is None or trials < 1:
        problems.append(f"--trials: --search needs a number of trials, such as --trials 20 (got {trials})")
    return problems
