"""Class names from the files that a config names: read once, so that the saved config and the model hold the names."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TypeVar

from ...core.errors import UserError, collect
from ..root import Root
from ..sections.tasks import TaskConfig, class_problems

Whole = TypeVar("Whole", bound=Root)

_SUFFIXES = (".txt", ".json", ".csv")


def with_class_names(config: Whole) -> Whole:
    """Put the names in the place of each file of classes.

    Raises:
        UserError: a file is missing, or holds no classes; one message a task, which begins with its dotted path.
    """
    problems: list[str] = []
    tasks: dict[str, TaskConfig] = {}
    for name, task in config.tasks.items():
        classes = getattr(task, "classes", None)
        if isinstance(classes, str):
            with collect(problems):
                found = _read(f"tasks.{name}.classes", classes, _folder(config.data.source))
                tasks[name] = task.model_copy(update={"classes": found})
    if problems:
        raise UserError(problems)
    return config.model_copy(update={"tasks": {**config.tasks, **tasks}}) if tasks else config


def _folder(source: str) -> Path:
    """The folder that relative paths start from: that of the data, or the working folder if these lie in none."""
    path = Path(source).expanduser()
    return path if path.is_dir() else path.parent if path.is_file() else Path()


def _read(key: str, name: str, folder: Path) -> tuple[str, ...] | dict[str, str]:
    """Read the names in a file, or the names by their indexes. Raises UserError."""
    path = folder / Path(name).expanduser()
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise UserError(
            f"{key}: {name!r} is neither a list of names nor a {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}. Write "
            '["cat", "dog"], {"0": "cat", "1": "dog"}, or the path of a file of one of these kinds'
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{key}: {path}: {error}. Give the path of a file in UTF-8, absolute or relative to the data"
        ) from None
    readers = {".txt": _from_text, ".json": _from_json, ".csv": _from_csv}
    found = readers[suffix](f"{key}: {path}", text)
    problems = class_problems(f"{key}: {path}", found)
    if problems:
        raise UserError(problems)
    return found


def _from_text(_: str, text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _from_json(place: str, text: str) -> tuple[str, ...] | dict[str, str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: not valid JSON: {error}") from None
    names = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f'{place}: must hold a list of names, or names by their indexes, such as {{"0": "cat"}}')
    return value if isinstance(value, dict) else tuple(names)


def _from_csv(place: str, text: str) -> dict[str, str]:
    rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(text.splitlines()), 1)]
    rows = [(number, row) for number, row in rows if any(row)]
    wrong = [number for number, row in rows if len(row) != 2 or not all(row)]
    if wrong:
        raise UserError(f"{place}, line {wrong[0]}: must hold two cells, an index and a name, such as 0,cat")
    if rows and not rows[0][1][0].removeprefix("-").isdecimal():
        del rows[0]  # the names of the columns
    indexes = [row[0] for _, row in rows]
    if len(set(indexes)) < len(indexes):
        number = next(number for at, (number, row) in enumerate(rows) if row[0] in indexes[:at])
        raise UserError(f"{place}, line {number}: its index stands in an earlier line as well; keep one of them")
    return {index: name for _, (index, name) in rows}
