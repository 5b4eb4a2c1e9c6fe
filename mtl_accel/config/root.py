"""A whole config: one JSON file, one run."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from .base import NAME, RECORD, SPEED, Section
from .knobs import did_you_mean
from .sections import balancing, optimization, transform_problems
from .sections.balancing import Balancing, Fixed
from .sections.data import DataConfig, fold_problems, row_problems, sampler_problems
from .sections.model import ModelConfig, TransformsConfig
from .sections.optimization import EarlyStopping, Optimizer, Scheduler
from .sections.sampling import Mixer, mixing_problems
from .sections.tasks import MultilabelConfig, TaskConfig, metric_names, task_problems

MAX_BATCH_SIZE = 1_000_000  # far beyond what any network is trained with; a larger one only exhausts the memory
TaskName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Config(Section):
    """Everything that decides what a run does. Two runs of one config end with the same weights."""

    schema_: Annotated[str | None, NAME] = Field(
        None, alias="$schema", description="Path of schema.json, for editors.", repr=False
    )
    description: Annotated[str, NAME] = Field(
        "", description="What this recipe is for, its command, cost and expected score."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Start of every random number of the run.")
    run_dir: Annotated[str, NAME] = Field("runs/run", min_length=1, description="Folder that the run writes.")
    epochs: int = Field(20, gt=0, le=1_000_000, description="Passes over the training split.")
    batch_size: int = Field(
        64, gt=0, le=MAX_BATCH_SIZE, description="Samples of one optimizer step, over all processes."
    )
    micro_batch_size: int | None = Field(
        None,
        gt=0,
        description="Samples of one forward pass; null: batch_size divided by the number of processes.",
    )
    mixed_precision: Literal["no", "fp16", "bf16"] | None = Field(
        None,
        description='Type of the forward pass; null: the launcher\'s, and without one the faster of "no" and "bf16".',
    )
    compile: bool = Field(
        False, description="torch.compile the model and its losses: a slow first step, and on GPUs faster ones after."
    )
    cpu_threads: Annotated[int | None, SPEED] = Field(
        None, gt=0, le=1024, description="Threads of each process on a CPU; null: an equal share of the cores."
    )
    data: DataConfig = Field(DataConfig(), description="Where images and labels come from.")
    tasks: dict[TaskName, TaskConfig] = Field(min_length=1, description="What to predict, by name.")
    model: ModelConfig = Field(ModelConfig(), description="The network.")
    transforms: TransformsConfig = Field(description="Image transforms.")
    mixing: tuple[Mixer, ...] = Field(
        (),
        description="How pictures and labels of training samples are mixed with others'; []: not at all. Training "
        "metrics are then those of mixed pictures against the labels of their larger part, and worse than without.",
    )
    optimizer: Optimizer = Field(description="Optimizer.")
    scheduler: Scheduler | None = Field(None, description="Schedule of the learning rate; null: none.")
    warmup_epochs: float = Field(0.0, ge=0, description="Epochs over which the learning rate rises linearly from 0.")
    gradient_clip_norm: float | None = Field(None, gt=0, description="Largest norm of the gradient; null: no clipping.")
    no_decay_on_norms_and_biases: bool = Field(
        False, description="Weight decay for weight matrices only: not for norms, biases, tokens and embeddings."
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Validate and keep an exponential moving average of the weights: the share of the old average in "
        "the new one, such as 0.999. After t steps it is at most (1 + t) / (10 + t); null: no average.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="When to end before the last epoch; null: never.")
    balancing: Balancing = Field(Fixed(name="fixed"), description="How the tasks' losses are weighted.")
    conflict_every_steps: Annotated[int | None, RECORD] = Field(
        None, gt=0, description="Steps between two measurements of how the tasks' gradients conflict; null: none."
    )
    sync_batchnorm: bool = Field(
        False, description="On GPUs: BatchNorm's statistics over the processes' micro-batches."
    )
    select_by: str = Field(
        "mean",
        description='What the best epoch is chosen by: a metric or "mean", that of the primary metrics of all tasks, '
        "errors with a minus sign. MAE and RMSE are in the unit of their columns, and a large one outweighs every "
        "accuracy, F1 and R2.",
    )
    checkpoint_every_steps: Annotated[int | None, RECORD] = Field(
        None, gt=0, description="Also save after each so many steps; null: after each epoch only."
    )
    checkpoint_every_minutes: Annotated[float | None, RECORD] = Field(
        None, gt=0, description="Also save after so many minutes; null: never."
    )
    keep_last: Annotated[int, RECORD] = Field(2, gt=0, description="Checkpoints kept besides the best one.")
    log_every_steps: Annotated[int, RECORD] = Field(10, gt=0, description="Steps between two readings of the loss.")
    trackers: Annotated[tuple[str, ...], RECORD] = Field(
        (), description="Accelerate's trackers by name: tensorboard, wandb, mlflow, ..."
    )

    @model_validator(mode="after")
    def _whole(self) -> Config:
        found = _findings(self)
        if found:
            # One error that carries all of them: `reading` unpacks the list.
            raise PydanticCustomError("whole_config", "{findings}", {"findings": found})
        return self


class Finding(NamedTuple):
    """A problem that several knobs have together, and their top-level keys."""

    keys: frozenset[str]
    problem: str


def _findings(config: Config) -> list[Finding]:
    found: list[Finding] = []

    def add(keys: str, *problems: str) -> None:
        found.extend(Finding(frozenset(keys.split()), problem) for problem in problems)

    for name, task in config.tasks.items():
        add("tasks", *task_problems(name, task))
    add("data", *_encoding_problems(config.data.encoding), *fold_problems(config.data))
    add("data tasks", *sampler_problems(config.data.sampler, config.tasks), *row_problems(config.data, config.tasks))
    left_over = [t for t in config.tasks.values() if isinstance(t, MultilabelConfig) and t.columns is t.column is None]
    if len(left_over) > 1:
        add("tasks", "tasks: only one task may leave its columns to be found; name the columns of the others")
    add("transforms", *transform_problems.problems(config.transforms.train, "transforms.train", is_eval=False))
    add("transforms", *transform_problems.problems(config.transforms.eval, "transforms.eval", is_eval=True))
    add("mixing", *mixing_problems(config.mixing))
    add("optimizer", *optimization.optimizer_problems(config.optimizer))
    schedule = optimization.schedule_problems(config.scheduler, config.epochs, config.warmup_epochs)
    add("scheduler epochs warmup_epochs", *schedule)
    add("balancing compile", *balancing.problems(config.balancing, config.compile))
    frozen = config.model.freeze_backbone_epochs
    if frozen >= config.epochs:
        problem = f"{frozen} leaves the backbone none of the {config.epochs} epochs; set it lower or train longer"
        add("model epochs", f"model.freeze_backbone_epochs: {problem}")
    names = ["mean", *metric_names(config.tasks)]
    if config.select_by not in names:
        hint = did_you_mean(config.select_by, names)
        add("tasks select_by", f"select_by: {config.select_by!r} is none of {', '.join(names)}{hint}")
    if config.micro_batch_size is not None:
        add("batch_size micro_batch_size", *_micro_batch_problems(config.batch_size, config.micro_batch_size))
    return found


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
