"""The finished model on disk: how it is found, its weights, and the description to use them without the run."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import snapshot_download
from huggingface_hub.errors import EntryNotFoundError
from safetensors.torch import save_file
from torch import Tensor

from .. import models
from ..config import Config
from ..config.rules.plugin_uses import Records, dump_records, used_plugins
from ..config.sections.heads import Head
from ..config.sections.losses import Loss
from ..config.sections.model import Architecture, training_knobs
from ..config.sections.tasks import task_heads
from ..config.sections.transforms import FixedTransform
from ..core import atomic_io
from ..core.errors import UserError
from ..core.tasks import Task
from ..data.sources.hub import is_hub_id
from ..data.transforms.pipeline import ImagePipeline
from ..models.base import Pair
from . import model_config, model_weights
from .model_config import ModelPart

FILES = WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"  # of a model folder
_NEEDED = ("model", "backbone", "head", "loss", "metric")  # parts of plugins without which a model is not loaded


@dataclass(frozen=True)
class ModelDescription:
    """The content of model/config.json.

    Attributes:
        model: the network, by the knobs that its shapes follow from.
        tasks: by name, in the order of the model's outputs.
        thresholds: those of each multilabel task, float64 [C]; a label is predicted where its probability is at
            least as large.
        transforms: those of evaluation.
        precision: "no", "bf16" or "fp16", with which the figures of the run were measured.
        batch_size: with which they were measured; another one may change the last bits.
        losses: the loss of each task, with the numbers of "balanced".
        heads: of the tasks that have another one than the model's.
        weights_sha256: of model.safetensors, in a folder that was written with it.
        plugins: those that the model needs, as they were when it was trained.
    """

    model: Architecture
    tasks: dict[str, Task]
    thresholds: dict[str, np.ndarray]
    transforms: tuple[FixedTransform, ...]
    precision: str
    batch_size: int
    losses: Mapping[str, Loss] = field(default_factory=dict)
    heads: Mapping[str, Head] = field(default_factory=dict)
    weights_sha256: str | None = None
    plugins: Records = field(default_factory=dict)

    @classmethod
    def from_run(
        cls,
        config: Config,
        transforms: tuple[FixedTransform, ...],
        tasks: Mapping[str, Task],
        thresholds: dict[str, np.ndarray],
        precision: str,
        batch_size: int,
        losses: Mapping[str, Loss],
    ) -> ModelDescription:
        """Describe a run's model. `transforms`: those of evaluation, with the size of the pictures if they leave it."""
        heads, model = task_heads(config.tasks), config.model.architecture
        found = cls(model, dict(tasks), thresholds, transforms, precision, batch_size, losses, heads)
        return replace(found, plugins=used_plugins(config, _NEEDED))

    @cached_property
    def pipeline(self) -> ImagePipeline:
        """Transforms by the place where they run."""
        return ImagePipeline.from_transforms(self.transforms)

    def describe(self) -> dict[str, Any]:
        """Return the content of model/config.json."""
        model = self.model.model_dump(mode="json", exclude=training_knobs())
        described: dict[str, dict[str, Any]] = {}
        for name, task in self.tasks.items():
            described[name] = {
                "kind": task.kind,
                "columns": list(task.columns),
                "classes": list(task.classes),
                "primary_metric": task.primary_metric,
                "weight": task.weight,
                "delimiter": task.delimiter,
            }
            if task.one_column is not None:
                described[name]["one_column"] = task.one_column
            if task.confidence is not None:
                described[name] |= {"confidence": task.confidence, "absent_is_no": task.absent_is_no}
            if task.metrics:
                described[name]["metrics"] = list(task.metrics)
            if task.values:
                described[name]["values"] = dict(task.values)
            if task.scale is not None:
                described[name]["scale"] = asdict(task.scale)
            if task.link is not None:
                described[name]["link"] = task.link
            if name in self.thresholds:
                described[name]["thresholds"] = self.thresholds[name].tolist()
            if name in self.heads:
                described[name]["head"] = self.heads[name].model_dump(mode="json")
            if name in self.losses:
                described[name]["loss"] = self.losses[name].model_dump(mode="json")
        return {
            "model": {key: v for key, v in model.items() if v is not None or key not in Architecture.model_fields},
            "tasks": described,
            "transforms": [transform.model_dump(mode="json") for transform in self.transforms],
            "precision": self.precision,
            "batch_size": self.batch_size,
            **dump_records(self.plugins),
        }

    def write(self, run_dir: Path, weights: Mapping[str, Tensor]) -> Path:
        """Write RUN/model: model.safetensors and config.json. Returns the folder."""
        folder = run_dir / "model"
        with atomic_io.storage_errors(folder), atomic_io.replace_folder(folder) as temporary:
            path = temporary / WEIGHTS
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
            described = {**self.describe(), "weights_sha256": model_weights.sha256(path)}
            atomic_io.write_json(temporary / DESCRIPTION, described)
            # save_file makes its file private; a model is read by others as the rest of the folder is.
            path.chmod(stat.S_IMODE((temporary / DESCRIPTION).stat().st_mode))
        return folder


def read_description(folder: Path) -> ModelDescription:
    """Read the description in a model folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder / DESCRIPTION
    if not path.is_file() or not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{folder} holds no finished model ({DESCRIPTION} and {WEIGHTS}); a run writes RUN/model at its end"
        )
    with atomic_io.storage_errors(path):
        content = model_config.parse(path.read_bytes(), str(path))
    return ModelDescription(
        model=Architecture(**dict(content.model)) if type(content.model) is ModelPart else content.model,
        tasks={name: part.to_task(name) for name, part in content.tasks.items()},
        thresholds={n: np.array(part.thresholds) for n, part in content.tasks.items() if part.thresholds is not None},
        transforms=content.transforms,
        precision=content.precision,
        batch_size=content.batch_size,
        losses={name: part.loss for name, part in content.tasks.items() if part.loss is not None},
        heads={name: part.head for name, part in content.tasks.items() if part.head is not None},
        weights_sha256=content.weights_sha256,
        plugins=content.plugins,
    )


def load_model(folder: Path, description: ModelDescription) -> Pair:
    """Load the model of a folder, on the CPU and in evaluation mode.

    Raises:
        UserError: the weights are damaged, or do not belong to the pair.
    """
    path, described = folder / WEIGHTS, folder / DESCRIPTION
    if description.weights_sha256 not in (None, model_weights.sha256(path)):
        raise UserError(
            f"{path}: its SHA-256 is not the weights_sha256 of {DESCRIPTION}: it is damaged, or another file. Restore "
            f"it from a copy; if you changed the weights yourself, remove weights_sha256 from {described}"
        )
    sizes = {"transforms": description.pipeline.model_input_size}
    if problems := models.pair_problems(description.model, sizes, description.heads):
        raise UserError([f"{described}: {problem}" for problem in problems])
    build = partial(models.build_model, description.model, description.tasks, None, description.heads)
    return model_weights.load_weights(path, build, description.model.title).eval()


def find_model_folder(path: str | Path, revision: str | None = None) -> Path:
    """Find the folder of the model: `path` itself, `model` in it, or that of the Hub's model `path`, owner/name.

    Args:
        revision: commit, tag or branch on the Hub.

    Raises:
        UserError: there is no model, or the Hub cannot be reached.
    """
    local = Path(path).expanduser()
    for folder in (local, local / "model"):
        if (folder / WEIGHTS).is_file():
            return folder
    if not local.exists() and is_hub_id(str(path)):
        return _download(str(path), revision)
    raise UserError(
        f"{path} is neither a run folder with a finished model in it, nor such a model, nor the id of one on the "
        "Hugging Face Hub, which reads owner/name; a run writes RUN/model when it has finished"
    )


def _download(repository: str, revision: str | None) -> Path:
    """Download the two files of a model, and no others of its repository, into the Hub's cache."""
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=list(FILES)))
    except (OSError, ValueError, RuntimeError, EntryNotFoundError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"{repository}: neither a folder that exists nor a model of the Hugging Face Hub that could be reached "
            f"(revision {revision!r}): {reason}. Correct the folder or the id, or connect to the network; a private "
            "model needs `hf auth login`"
        ) from error
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{repository}: this model of the Hugging Face Hub has no {' and no '.join(missing)}, and so is none that "
            "a run of mtl_accel wrote; choose another one"
        )
    return folder
