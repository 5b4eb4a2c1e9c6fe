"""What several knobs of a config get wrong together."""

from __future__ import annotations

from typing import NamedTuple

from ..extension.source_options import option_problems
from ..knobs import did_you_mean
from ..root import Root
from ..sections import balancing, optimization, schedules, transform_problems
from ..sections.data import fold_problems, row_problems, sampler_problems
from ..sections.sampling import mixing_problems
from ..sections.tasks import MultilabelConfig, metric_names, task_problems


class Finding(NamedTuple):
    """A problem that several knobs have together, and their top-level keys."""

    keys: frozenset[str]
    problem: str


def findings_of(config: Root) -> list[Finding]:
    """Every problem of a config whose knobs are right one by one."""
    found: list[Finding] = []

    def add(keys: str, *problems: str) -> None:
        found.extend(Finding(frozenset(keys.split()), problem) for problem in problems)

    for name, task in config.tasks.items():
        add("tasks", *task_problems(name, task))
    add("data", *_encoding_problems(config.data.encoding), *fold_problems(config.data))
    add("data", *option_problems(config.data.source, config.data.options))
    add("data tasks", *sampler_problems(config.data.sampler, config.tasks), *row_problems(config.data, config.tasks))
    add("tasks", *_weight_problems(config))
    left_over = [t for t in config.tasks.values() if isinstance(t, MultilabelConfig) and t.columns is t.column is None]
    if len(left_over) > 1:
        add("tasks", "tasks: only one task may leave its columns to be found; name the columns of the others")
    add("transforms", *transform_problems.problems(config.transforms.train, "transforms.train", is_eval=False))
    add("transforms", *transform_problems.problems(config.transforms.eval, "transforms.eval", is_eval=True))
    add("mixing", *mixing_problems(config.mixing))
    add("optimizer", *optimization.optimizer_problems(config.optimizer))
    add("optimizer scheduler", *schedules.rate_problems(config.scheduler, config.optimizer))
    schedule = schedules.schedule_problems(config.scheduler, config.epochs, config.warmup_epochs)
    add("scheduler epochs warmup_epochs", *schedule)
    add("balancing compile", *balancing.problems(config.balancing, config.compile))
    if config.compile and config.model.gradient_checkpointing:
        # What is kept of running statistics in the second call is Python, which torch.compile does not take there.
        problem = "compile: not with model.gradient_checkpointing, whose blocks torch.compile cannot compile"
        add("compile model", f"{problem}; set one of the two to false")
    frozen = config.model.freeze_backbone_epochs
    if frozen >= config.epochs:
        problem = f"{frozen} leaves the backbone none of the {config.epochs} epochs; set it lower or train longer"
        add("model epochs", f"model.freeze_backbone_epochs: {problem}")
    names = ["mean", *metric_names(config.tasks)]
    if config.select_by not in names:
        hint = did_you_mean(config.select_by, names)
        add("tasks select_by", f"select_by: {config.select_by!r} is none of {', '.join(names)}{hint}")
    if config.micro_batch_size is not None and config.batch_size != "auto":
        add("batch_size micro_batch_size", *_micro_batch_problems(config.batch_size, config.micro_batch_size))
    return found


def _weight_problems(config: Root) -> list[str]:
    if any(task.weight for task in config.tasks.values()):
        return []
    return ["tasks: the weight of every task is 0, so nothing is learned; give one a weight above 0"]


def _encoding_problems(encoding: str | None) -> list[str]:
    if encoding is None:
        return []
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError, ValueError):
        return [f"data.encoding: {encoding!r} is no text encoding of Python; name one such as utf-8 or cp1252"]
    return []


def _micro_batch_problems(batch_size: int, micro_batch_size: int) -> list[str]:
    if batch_size % micro_batch_size == 0:
        return []
    fits = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
    near = sorted(sorted(fits, key=lambda n: abs(n - micro_batch_size))[:2])
    return [
        f"micro_batch_size: {micro_batch_size} does not divide batch_size {batch_size}; "
        f"the nearest that do are {' and '.join(map(str, near))}"
    ]
