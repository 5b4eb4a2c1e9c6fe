"""Every knob at the top of a config."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError, PydanticKnownError

from ..core.errors import UserError
from .base import NAME, RECORD, SPEED, Section
from .extension.open_unions import Open
from .sections.balancing import Balancing, Fixed
from .sections.data import DataConfig
from .sections.model import ModelConfig, TransformsConfig
from .sections.optimization import EarlyStopping, Optimizer
from .sections.sampling import Mixer
from .sections.schedules import Scheduler
from .sections.tasks import TaskConfig

MAX_BATCH_SIZE = 1_000_000  # far beyond what any network is trained with; a larger one only exhausts the memory


def _number_or_auto(value: Any, validate: ValidatorFunctionWrapHandler) -> int | str:
    """Refuse other text by both forms of the value, and a number by the rules for numbers alone."""
    try:
        found: int | str = validate(value)
        return found
    except ValidationError as error:
        if isinstance(value, str):
            raise PydanticCustomError("batch_size", 'must be a whole number, or "auto"') from None
        number = error.errors()[0]
        raise PydanticKnownError(number["type"], number.get("ctx")) from None  # type: ignore[arg-type]


BatchSize = Annotated[Annotated[int, Field(gt=0, le=MAX_BATCH_SIZE)] | Literal["auto"], WrapValidator(_number_or_auto)]
TaskName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Root(Section):
    """Every knob at the top of a config."""

    schema_: Annotated[str | None, NAME] = Field(
        None, alias="$schema", description="Path of schema.json, for editors.", repr=False
    )
    description: Annotated[str, NAME] = Field(
        "", description="What this recipe is for, its command, cost and expected score."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Start of every random number of the run.")
    run_dir: Annotated[str, NAME] = Field("runs/run", min_length=1, description="Folder that the run writes.")
    epochs: int = Field(20, gt=0, le=1_000_000, description="Passes over the training split.")
    batch_size: BatchSize = Field(
        64,
        description='Samples of one optimizer step, over all processes; "auto": the largest that fits the memory, '
        "halved from 512 a process, on a CPU from 64.",
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
    model: Annotated[ModelConfig, Open("model")] = Field(ModelConfig(), description="The network.")
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
    log_every_steps: Annotated[int, RECORD] = Field(
        10, gt=0, description="Steps between two readings of the loss, each of them a row of log.jsonl."
    )
    log_every_seconds: Annotated[float | None, RECORD] = Field(
        30.0,
        gt=0,
        le=1e6,
        description="Seconds between two lines that say how far a stage is, where no terminal shows a bar; null: none.",
    )
    trackers: Annotated[tuple[str, ...], RECORD] = Field(
        (), description="Accelerate's trackers by name: tensorboard, wandb, mlflow, ..."
    )

    @property
    def samples_per_step(self) -> int:
        """`batch_size` as a number, which training puts in the place of "auto" before it builds anything.

        Raises:
            UserError: it is "auto" still.
        """
        if self.batch_size == "auto":
            raise UserError(
                'batch_size: "auto" is found by training, and "train --debug" prints it; give a number here'
            )
        return self.batch_size
