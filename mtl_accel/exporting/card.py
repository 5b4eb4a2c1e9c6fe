"""Write the model card, README.md of a model folder, from nothing but what the run recorded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from ..config import Config, base
from ..config.differences import knobs_that_affect
from ..core import atomic_io
from ..core.tasks import Task
from ..data.sources.hub import is_hub_id
from ..metrics import thresholds
from ..report.records.runs import RunRecord
from ..runs.model_folder import ModelDescription

NAME = "README.md"
_FILES = {
    "model.safetensors": "the weights, which `mtl_accel.load` reads",
    "config.json": "network, tasks, classes, thresholds and transforms",
    "model.onnx": "the whole model as ONNX: `images` uint8 in, probabilities of each task out",
    "model.pt2": "the same as a program of `torch.export`, which needs torch alone",
}


def write_card(folder: Path, record: RunRecord, description: ModelDescription, repo: str | None = None) -> Path:
    """Write the card into a model folder. `repo` is the Hub id that it will have."""
    path = folder / NAME
    files = [name for name in _FILES if (folder / name).is_file()]
    text = "\n\n".join([_front_matter(record, description), *_sections(record, description, files, repo)])
    atomic_io.write_bytes(path, f"{text}\n".encode())
    return path


def _front_matter(record: RunRecord, description: ModelDescription) -> str:
    source = _source_name(record.config)
    results = [
        EvalResult("image-classification", source, source, metric, value, metric_name=name, dataset_split="validation")
        for name, value in _figures(record).items()
        if (metric := name.rpartition("/")[2]) != "loss"
    ]
    data = ModelCardData(
        library_name="mtl_accel",
        pipeline_tag="image-classification",
        tags=["multi-task-learning", *dict.fromkeys(task.kind for task in description.tasks.values())],
        model_name=record.folder.name,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _sections(record: RunRecord, description: ModelDescription, files: list[str], repo: str | None) -> list[str]:
    config = record.config
    backbone = f"`{description.model.title}`, one backbone and a head for each of {len(description.tasks)} tasks"
    start = "random weights" if config.model.weights is None else f"the weights `{Path(config.model.weights).name}`"
    parts = [
        f"# {record.folder.name}",
        f"{backbone}, trained from {start} on {_describe_data(config)}: {_epochs(record)}, with {_packages(record)}.",
        "## What it predicts",
        "\n".join([_describe_task(task, description) for task in description.tasks.values()]),
        "## Intended use",
        f"Pictures like those of {_describe_data(config)}, which is all that it has been measured on. It cannot "
        "predict a class or label that is not named above. Its figures below are of validation rows that also chose "
        f"the epoch (by `{config.select_by}`).",
        "## Figures",
        _figure_table(record, description),
        "## How to use it",
        f'```python\nimport mtl_accel\n\npredictor = mtl_accel.load("{repo or "path/of/this/folder"}")\n'
        'table = predictor.predict(["photo.jpg"])\n```',
        _describe_plugins(description),
        "\n".join(f"- `{name}`: {_FILES[name]}" for name in files),
        "## Training",
        f"```json\n{_line_per_key(public_knobs(config))}\n```",
    ]
    return [part for part in parts if part]


def _describe_plugins(description: ModelDescription) -> str:
    """The plugins that must be there before the model is loaded; empty where it needs none."""
    found = [
        f"`{name}` ({', '.join(filter(None, [record.distribution, record.version, f'SHA-256 {record.sha256}']))})"
        for name, record in description.plugins.items()
    ]
    if not found:
        return ""
    return f"It needs {', '.join(found)}: install that, or call `mtl_accel.load_plugin` with its file before `load`."


def _source_name(config: Config) -> str:
    """Source as the public may know it: a folder's own name, without its path."""
    path = Path(config.data.source)
    return str(path) if is_hub_id(str(path)) and not path.exists() else path.name


def _describe_data(config: Config) -> str:
    if config.data.source == "wardrobe":
        sizes = config.data.wardrobe
        return f"the drawn garments of mtl_accel's data set `wardrobe` ({sizes.num_train} training pictures)"
    return f"the data set `{_source_name(config)}`"


def _epochs(record: RunRecord) -> str:
    number = len(record.epochs)
    return f"{number} epoch{'s' if number != 1 else ''}"


def _packages(record: RunRecord) -> str:
    known = record.environment.packages
    return " and ".join(f"{name} {known[name]}" for name in ("mtl_accel", "torch") if name in known) or "mtl_accel"


def _describe_task(task: Task, description: ModelDescription) -> str:
    task_thresholds = description.thresholds.get(task.name)
    if task_thresholds is None:
        order = ", from the lowest to the highest" if task.kind == "ordinal" else ""
        return f"- **{task.name}** ({task.kind}{order}): {', '.join(map(_code, task.classes))}"
    listed = ", ".join(f"{_code(name)} ({t:.4g})" for name, t in zip(task.classes, task_thresholds, strict=True))
    return f"- **{task.name}** ({task.kind}; a label is there from the probability in brackets on): {listed}"


def _code(name: str) -> str:
    """A class name as code: no other mark-up of Markdown shows every name as it is."""
    return "`" + " ".join(name.replace("`", "'").split()) + "`"


def _figures(record: RunRecord) -> dict[str, float]:
    """Validation metrics of the best epoch; what is no number is left out."""
    names = (record.epochs[-1].validation or {}) if record.epochs else {}
    best = record.best_epoch
    values = {name: record.values("validation", name).get(best or 0) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _figure_table(record: RunRecord, description: ModelDescription) -> str:
    figures = _figures(record)
    if not figures:
        return ""
    fitted = {name: v for name, v in record.end.fitted.items() if v is not None and math.isfinite(v)}
    rows = [f"| {name} | {value:.6f} |" for name, value in {**figures, **fitted}.items()]
    notes = f" F1 is at threshold {thresholds.DEFAULT_THRESHOLD}" if description.thresholds else ""
    if fitted:
        notes += "; `_cross_fitted` is with thresholds that were fitted on other rows"
    intro = f"Validation after epoch {record.best_epoch}, the best one.{notes}{'.' if notes else ''}"
    return "\n".join([f"{intro}\n", "| metric | value |", "|---|---|", *rows])


def _line_per_key(raw: dict[str, Any]) -> str:
    """JSON, one line a key."""
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in raw.items()) + "\n}"


def public_knobs(config: Config) -> dict[str, Any]:
    """Config without the knobs that belong to the machine that trained, or that name the run."""
    raw: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    for knob in knobs_that_affect(base.NAME, base.PLACE):
        *parents, last = knob.split(".")
        branch = raw
        for parent in parents:
            branch = branch[parent]
        branch.pop(last, None)
    raw["data"]["source"] = _source_name(config)
    raw["data"]["tables"] = config.data.tables and {
        split: Path(name).name for split, name in config.data.tables.items()
    }
    raw["data"]["join"] = [{**join, "table": Path(join["table"]).name} for join in raw["data"]["join"]]
    if raw["model"]["weights"] is not None:
        raw["model"]["weights"] = Path(raw["model"]["weights"]).name
    return raw
