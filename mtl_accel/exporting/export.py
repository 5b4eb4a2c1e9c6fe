"""From a run to one file in another format, checked against the model before it is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..config import Config, read_run_config
from ..core import atomic_io
from ..core.errors import UserError
from ..report.records import runs
from ..runs import model_folder
from ..runs.model_folder import ModelDescription
from . import FORMATS, card, check, hub, onnx_file, torch_file
from .check import Runner
from .graph import Graph

_ONE_FILE: dict[str, tuple[str, Callable[[Graph, ModelDescription], bytes], Callable[[bytes], Runner]]] = {
    "onnx": ("model.onnx", onnx_file.to_onnx, onnx_file.Session),
    "torch": ("model.pt2", torch_file.to_program, torch_file.Program),
}


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        path: the file that was written; of safetensors the folder.
        difference: the largest one from the run's model that the check found.
        checked_on: the images of the check, in words.
        card: the model card.
        url: address of the upload; None without one.
    """

    path: Path
    difference: float
    checked_on: str
    card: Path
    url: str | None


def export(
    run: str | Path,
    format: str,
    output: str | Path | None = None,
    *,
    config: Config | None = None,
    push_to_hub: str | None = None,
    private: bool = False,
) -> Exported:
    """Write the finished model of a run in another format, and its model card.

    Args:
        format: "onnx" and "torch" write one file, "safetensors" a folder like RUN/model.
        output: None: RUN/model/model.onnx or RUN/model/model.pt2; for safetensors RUN/model itself, checked.
        config: the run's, with other data, when they lie elsewhere now.
        push_to_hub: owner/name, into which RUN/model is uploaded, with the export in it.
        private: if that repository is made, make it a private one.

    Raises:
        UserError: no finished run, missing packages, an output that is something else, a difference, or a Hub that
            refuses.
    """
    _require_options(format, output, push_to_hub)
    config = config or read_run_config(Path(run), [])
    folder = Path(run) / "model"
    description = model_folder.read_description(folder)
    (record,) = runs.read_runs([run])
    target = _target(folder, format, output)
    images, origin = check.sample_images(config, description)
    expected = check.expected_outputs(model_folder.load_model(folder, description), description, images)
    if format == "safetensors":
        difference = _check_folder(folder, images, expected)
    else:
        difference = _write_file(folder, target, format, images, expected)
    path = card.write_card(folder, record, description, push_to_hub)
    if format == "safetensors" and target != folder:
        difference = _copy(folder, target, images, expected)
    url = hub.push(folder, push_to_hub, private=private) if push_to_hub else None
    return Exported(target, difference, origin, path, url)


def _require_options(format: str, output: str | Path | None, push_to_hub: str | None) -> None:
    """Raise UserError, before the work, for an unknown format, missing packages and what cannot be uploaded."""
    if format not in FORMATS:
        raise UserError(f"--format: {format!r} is none of {', '.join(FORMATS)}")
    if format == "onnx":
        onnx_file.require_packages()
    if push_to_hub:
        hub.require_uploadable(push_to_hub, output)


def _write_file(folder: Path, target: Path, format: str, images: Tensor, expected: Mapping[str, np.ndarray]) -> float:
    """Write one file if the check allows it; returns the largest difference."""
    description = model_folder.read_description(folder)
    _, write, read = _ONE_FILE[format]
    content = write(Graph(model_folder.load_model(folder, description), description), description)
    difference = check.max_difference(read(content), images, expected, description.tasks)
    atomic_io.write_bytes(target, content)
    return difference


def _target(folder: Path, format: str, output: str | Path | None) -> Path:
    """Path to write. Raises UserError for what must not be overwritten."""
    if output is None:
        return folder if format == "safetensors" else folder / _ONE_FILE[format][0]
    target = Path(output)
    if format != "safetensors" and target.is_dir():
        raise UserError(f"--output: {target} is a folder; --format {format} writes one file, such as model.onnx in it")
    if format == "safetensors" and target.exists() and not _is_model(target):
        raise UserError(f"--output: {target} exists and is no model folder; give a new one")
    return target


def _is_model(folder: Path) -> bool:
    """Whether a folder holds a model, and so may be replaced by one; an empty one may, too."""
    return folder.is_dir() and ((folder / model_folder.WEIGHTS).is_file() or not any(folder.iterdir()))


def _check_folder(folder: Path, images: Tensor, expected: Mapping[str, np.ndarray]) -> float:
    """Largest difference of a model folder that is read as the documents say."""
    description = model_folder.read_description(folder)
    graph = Graph(model_folder.load_model(folder, description), description)
    return check.max_difference(
        lambda batch: {name: values.detach().numpy() for name, values in graph(batch).items()},
        images,
        expected,
        description.tasks,
    )


def _copy(folder: Path, target: Path, images: Tensor, expected: Mapping[str, np.ndarray]) -> float:
    with atomic_io.storage_errors(target), atomic_io.replace_folder(target) as temporary:
        for name in (*model_folder.FILES, card.NAME):
            shutil.copy(folder / name, temporary / name)
        return _check_folder(temporary, images, expected)
