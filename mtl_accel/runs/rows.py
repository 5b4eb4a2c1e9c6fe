"""The records of a run as it writes them: rows of log.jsonl, status.json and environment.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from ..config.rules.plugin_uses import PluginRecord
from ..core import atomic_io
from ..core.errors import UserError

_MAX_EPOCHS, _MAX_STEPS = 1_000_000, 1_000_000_000  # figures have a place for each epoch
_MAX_FIGURE = 1e100


def _drawable(figure: float | None) -> float | None:
    """Null for a number so large that sums and axes of figures overflow, as of a run that diverged."""
    return None if figure is None or not abs(figure) <= _MAX_FIGURE else figure


Figure = Annotated[float | None, AfterValidator(_drawable)]


class Epoch(BaseModel):
    """One epoch row of log.jsonl; null stands for a value that was no number.

    `task_weights`: factors of the balancing on each task's loss, as means over the epoch, where they change.
    """

    epoch: int = Field(ge=1, le=_MAX_EPOCHS)
    train: dict[str, Figure] | None = None
    validation: dict[str, Figure] | None = None
    lr: Figure = None
    seconds: Figure = None
    images_per_second: Figure = None
    task_weights: dict[str, Figure] = {}


class Pair(BaseModel):
    """Two tasks at one step; null where one of them has no gradient."""

    tasks: tuple[str, str]
    cosine: Figure = None
    norm_ratio: Annotated[float | None, Field(ge=0), AfterValidator(_drawable)] = None


class Conflict(BaseModel):
    """One row of the conflict meter; epoch and step count from 1."""

    epoch: int = Field(ge=1, le=_MAX_EPOCHS)
    step: int = Field(ge=1, le=_MAX_STEPS)
    pairs: list[Pair] = []


class Step(BaseModel):
    """Figures of the steps up to this one; epoch and step count from 1."""

    epoch: int = Field(ge=1, le=_MAX_EPOCHS)
    step: int = Field(ge=1, le=_MAX_STEPS)


class End(BaseModel):
    """The last row of log.jsonl; `fitted`: metrics with thresholds that were fitted on other rows."""

    fitted: dict[str, Figure] = {}


class Status(BaseModel):
    """status.json."""

    status: str = "unknown"
    message: str | None = None
    host: str | None = None
    pid: int | None = None


class Environment(BaseModel):
    """environment.json, as far as runs are compared by it."""

    device: str | None = None
    processes: int | None = None
    mixed_precision: str | None = None
    packages: dict[str, str] = {}
    plugins: dict[str, PluginRecord] = {}


class Log(NamedTuple):
    """log.jsonl, each kind of row in its order."""

    epochs: tuple[Epoch, ...]
    conflicts: tuple[Conflict, ...]
    end: End


Kind = TypeVar("Kind", bound=BaseModel)


def read_log(path: Path) -> Log:
    """Read the rows of a log.jsonl; of an epoch or a step that was run again the last row counts."""
    epochs: dict[int, Epoch] = {}
    conflicts: dict[tuple[int, int], Conflict] = {}
    end = End()
    for _, record in _records(path):
        if isinstance(record, Epoch):
            epochs[record.epoch] = record
        elif isinstance(record, Conflict):
            conflicts[record.epoch, record.step] = record
        elif isinstance(record, End):
            end = record
    return Log(tuple(epochs[key] for key in sorted(epochs)), tuple(conflicts[key] for key in sorted(conflicts)), end)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a log.jsonl as they stand there, without those that are no object with an event.

    Raises:
        UserError: a line that no run wrote.
    """
    return [row for row, _ in _records(path)]


_KINDS: dict[str, type[BaseModel]] = {"epoch": Epoch, "step": Step, "conflict": Conflict, "end": End}


def _records(path: Path) -> Iterator[tuple[dict[str, Any], BaseModel | None]]:
    """Each row that has an event, raw and parsed; None in place of an event that is not known here."""
    with atomic_io.storage_errors(path):
        content = path.read_bytes() if path.is_file() else b""
    # A last line without its end was cut short by a kill, or is being written now.
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        place = f"{path}, line {number}"
        row = _load_json(line, place)
        event = row.get("event") if isinstance(row, dict) else None
        if isinstance(event, str):
            yield row, _parse(_KINDS[event], row, place) if event in _KINDS else None


def read_object(kind: type[Kind], path: Path) -> Kind:
    """Read a file that holds one object; without the file, the object has its defaults."""
    return _parse(kind, atomic_io.read_json(path) if path.is_file() else {}, str(path))


def _load_json(line: bytes, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: not JSON ({error}); remove the line") from error


def _parse(kind: type[Kind], value: Any, place: str) -> Kind:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        details = [(".".join(map(str, detail["loc"])), detail["msg"]) for detail in error.errors()]
        raise UserError([f"{place}: {key}: {message}; a run did not write this" for key, message in details]) from error
