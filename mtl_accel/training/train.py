"""Train: a run from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from .. import models
from ..config import Config
from ..config.sections.tasks import task_heads
from ..core import atomic_io
from ..core.errors import UserError, collect
from ..core.progress import progress_lines
from ..data.labels.dataset import LabeledDataset
from ..data.loading.sampler import check_sizes
from ..data.sources.given import GivenData, with_given_data
from ..launching import agreement
from ..launching.accelerator import leave_at_exit, start_accelerator
from ..launching.interrupts import EXIT_CODE as STOPPED
from ..launching.interrupts import Interrupts
from ..runs import folder, lock
from ..runs.checkpoint import Checkpoint
from ..runs.failures import FailureLog
from ..runs.log import RunLog, with_prefixes
from ..runs.trackers import finish_trackers
from . import debug, early_stopping, engine, finish, records
from .build import build_run
from .callbacks import Callback, Callbacks
from .checkpointing import Checkpoints
from .loaders import Pipelines, read_pipelines_and_data
from .memory import auto_batch
from .memory.out_of_memory import out_of_memory_errors
from .optimization.optimizers import check_optimizer
from .run import Run


@dataclass(frozen=True)
class Result:
    """End of a run. `status` is "finished" or "stopped"; `best` holds the best epoch's validation metrics."""

    run_dir: Path
    status: str
    best_epoch: int | None
    best: dict[str, float]

    @property
    def exit_code(self) -> int:
        return 0 if self.status == "finished" else STOPPED


def train(
    config: Config,
    *,
    resume: str = "auto",
    overwrite: bool = False,
    allow_changes: bool = False,
    debugging: str | None = None,
    data: GivenData | None = None,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Run a config, on every process that the launcher started.

    Args:
        data: a training table in place of data.source, or a mapping of splits to tables.
        resume: "auto": from the last checkpoint of the run folder; "none": never; a run folder: from its last one.
        overwrite: empty the run folder first.
        allow_changes: resume although config or data have changed.
        callbacks: called at fixed points of the run, on every process, which must all be given the same.
        debugging: "batches" for two batches of each split, "overfit" to learn one batch by heart.

    Raises: UserError for anything that a user can put right.
    """
    if debugging:
        config, overwrite = debug.config_for(config, debugging), True
    finds_size, config = config.batch_size == "auto", auto_batch.with_first_try(config)
    accelerator, micro_batch_size = start_accelerator(config, cache=atomic_io.cache_dir(config.data.cache_dir))
    config = agreement.on_every_process(lambda: with_given_data(config, data))
    interrupts = Interrupts()
    called = _agreed(Callbacks(callbacks, interrupts.request_stop))
    with interrupts, _owned(accelerator, run_dir := Path(config.run_dir)) as is_owner:
        log = RunLog(run_dir, accelerator)
        saved = _prepare_folder(accelerator, config, resume, overwrite)
        with _recorded(log, config, micro_batch_size):
            run, labelled = _build(config, finds_size, saved, accelerator, log, debugging)
            checkpoints = Checkpoints(run.config, labelled.fingerprint, is_owner, labelled.inferred)
            changes = None if saved is None else _resume(run, checkpoints, saved, allow_changes)
            records.announce(run, labelled, debugging, changes)
            status = engine.train(run, checkpoints, interrupts, called)
            return _finish(run, status, interrupts.reason, called, resumes=resume == "auto" and not overwrite)


def _check_network_and_optimizer(config: Config) -> None:
    """Check the names and knobs that need no data. Raises UserError with all that is wrong."""
    problems = models.pair_problems(config.model, {}, task_heads(config.tasks))
    with collect(problems):
        check_optimizer(config.optimizer)
    if problems:
        raise UserError(problems)


def _agreed(callbacks: Callbacks) -> Callbacks:
    """The callbacks, if every process has the same ones."""
    named = {"callbacks": ", ".join(callbacks.names) or "none"}
    agreement.require_equal(agreement.Facts(named, "give all of them the same callbacks"))
    return callbacks


@contextmanager
def _recorded(log: RunLog, config: Config, micro_batch_size: int) -> Iterator[None]:
    """Record how the run goes within the block, and say how far it is."""
    accelerator = log.accelerator
    every_seconds = config.log_every_seconds if accelerator.is_main_process else None
    with (
        log.recording(),
        progress_lines(log.say, every_seconds),
        out_of_memory_errors(config.samples_per_step, micro_batch_size, accelerator.device),
    ):
        yield


def _prepare_folder(accelerator: Accelerator, config: Config, resume: str, overwrite: bool) -> Checkpoint | None:
    """Make the run folder ready, and find the checkpoint to resume from, the same one on every process."""
    run_dir = Path(config.run_dir)

    def prepare() -> None:
        _check_network_and_optimizer(config)  # first: overwriting empties the folder
        if accelerator.is_main_process:
            folder.prepare_run_folder(run_dir, resume, overwrite)
            FailureLog(run_dir, accelerator.process_index).clear()

    agreement.on_every_process(prepare)
    saved = agreement.on_every_process(lambda: folder.find_checkpoint(run_dir, resume))
    agreement.require_same_checkpoint(None if saved is None else saved.folder)
    return saved


def _read_data(config: Config) -> tuple[Pipelines, LabeledDataset]:
    """Read the splits and their labels, the same ones on every process."""
    pipelines, labelled = agreement.on_every_process(lambda: read_pipelines_and_data(config))
    agreement.require_same_data(labelled)
    return pipelines, labelled


def _build(
    config: Config,
    finds_size: bool,
    saved: Checkpoint | None,
    accelerator: Accelerator,
    log: RunLog,
    debugging: str | None,
) -> tuple[Run, LabeledDataset]:
    """Build the run, if every process has the same pictures; returns it with the data, which debugging shrinks.

    finds_size: whether the size of the batch is still to be found.
    """
    pipelines, labelled = _read_data(config)
    if finds_size:
        config, labelled = auto_batch.resolve(config, saved, pipelines, labelled, accelerator, debugging)
    labelled = debug.shrink(labelled, config, debugging) if debugging else labelled
    micro_batch_size = check_sizes(config.samples_per_step, config.micro_batch_size, accelerator.num_processes)
    run = build_run(config, pipelines, accelerator, labelled, micro_batch_size, log)
    run.debugging = debugging
    pixels = {"train": run.train_loader.data.pixels, "validation": run.validation_loader.data.pixels}
    agreement.require_same_pictures(pixels)
    return run, labelled


def _resume(run: Run, checkpoints: Checkpoints, saved: Checkpoint, allow_changes: bool) -> list[str]:
    """Put the run where a checkpoint left it; the lines say what has changed since."""
    changes = checkpoints.restore(run, saved, allow_changes)
    if run.accelerator.is_main_process:
        folder.copy_best(saved, Path(run.config.run_dir))
    return changes


def _finish(run: Run, status: str, stop_reason: str | None, callbacks: Callbacks, *, resumes: bool) -> Result:
    """Write the model of a finished run, and the last rows of its log.

    Args:
        resumes: whether the same command resumes a run that was stopped.
    """
    log, progress, config = run.log, run.progress, run.config
    if status == "stopped":
        log.say(early_stopping.stop_message(stop_reason, progress, resumes=resumes))
    result = Result(Path(config.run_dir), status, progress.best_epoch, progress.best)
    run_dir, figures = result.run_dir, {}
    if status == "finished" and run.accelerator.is_main_process:
        run.curves.redraw(log, last=True)
        figures = {"fitted": finish.write_model(run)}
        log.say(f"best epoch {progress.best_epoch}; curves: {run_dir / 'curves.png'}, model: {run_dir / 'model'}")
    if run.debugging:
        debug.check(run, run.debugging)
    best = with_prefixes({"best": {**progress.best, **figures.get("fitted", {})}})
    callbacks.call("on_end", run, best, status=status)
    log.event("end", status=status, best_epoch=progress.best_epoch, best=progress.best, **figures)
    where = {"epoch": progress.epoch, "step": progress.step, "best_epoch": progress.best_epoch}
    message = stop_reason or early_stopping.reason(config, progress)
    log.status(status, exit_code=result.exit_code, message=message, **where)
    finish_trackers(run.accelerator)
    leave_at_exit()
    return result


@contextmanager
def _owned(accelerator: Accelerator, run_dir: Path) -> Iterator[Callable[[], bool]]:
    """Hold the run folder's lock on the main process, which alone writes."""
    with ExitStack() as stack:

        def acquire() -> Callable[[], bool]:
            is_main = accelerator.is_main_process
            return stack.enter_context(lock.lock_run_folder(run_dir)).still_owned if is_main else lambda: False

        yield agreement.on_every_process(acquire)
