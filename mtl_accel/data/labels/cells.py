"""What a cell means: as text, as 0 or 1, as a number, as a class, as a set of labels. Every rule of cells is here."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.tasks import Task

MISSING: Final = object()  # a cell that says that there is no label
_MISSING_WORDS = {"nan", "na", "n/a", "null", "none", "?"}  # in columns of numbers and of 0 and 1, in any case
_WORDS = {"true": 1, "t": 1, "yes": 1, "y": 1, "false": 0, "f": 0, "no": 0, "n": 0}  # in any case
LETTERS = {word for word in _WORDS if len(word) == 1}
DELIMITERS = ",;|"  # between the names of a list, where the config names none; a space where no cell has one of them
_WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9]\d*))\.0+")
_IN_BRACES = re.compile(r"\{.*\}", re.DOTALL)  # as databases write arrays
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)
_QUOTES_WITHOUT_COMMA = re.compile(r"""(['"])\s+['"]""")
_FIX_LABELS = 'Correct the cells, name all classes in "classes" of the task, or say what cells mean by "values"'
_FIX_NUMBERS = (
    "Write 1250.5 for 1,250.50, 1 250,50 or $1250.50: a decimal point, no separators of thousands and no unit"
)
_FIX_BINARY = 'Correct the cells, or say by "values" of the task what they mean, such as {"x": 1, "": 0}'


def text_of(value: Any) -> str | None:
    """A cell as text: None for a blank, "3" for the 3.0 that an integer column with blanks turns into."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def whole_number(text: str) -> str:
    """Return "3" for "3.0", and any other text unchanged: zip codes keep their zeros."""
    match = _WHOLE_NUMBER.fullmatch(text)
    return match[1] if match else text


def is_whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def sort_class_names(names: set[str]) -> tuple[str, ...]:
    """Sort numbers by value and text by code point, so that the order of the rows does not matter."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def is_number(text: str) -> bool:
    """Whether a cell of numbers may hold this text."""
    return parse_number(text) is not None


def is_missing(text: str) -> bool:
    """Whether a cell of numbers, or of 0 and 1, says in words that there is no value."""
    return text.casefold() in _MISSING_WORDS


def binary_value(text: str) -> int | None:
    """Return 0, 1 or -1 for a cell that spells one of them, such as "1.0", "TRUE" or "no"; None for any other."""
    word = text.casefold()
    if word in _WORDS:
        return _WORDS[word]
    number = parse_number(text)
    return int(number) if number in (-1, 0, 1) else None


def split_labels(cell: str | tuple[str, ...], delimiter: str) -> list[str] | None:
    """The label names in a cell, which is a list, or text with a delimiter; None for a list that is broken."""
    if isinstance(cell, tuple):
        return [part.strip() for part in cell if part and part.strip()]
    parts = _parse_list(cell)
    if parts is None and (cell.startswith("[") or _IN_BRACES.fullmatch(cell)):
        return None
    names = [part.strip() for part in (cell.split(delimiter) if parts is None else parts) if part.strip()]
    return None if parts is None and any(_is_part_of_list(name) for name in names) else names


def label_names(cell: str | tuple[str, ...], task: Task) -> list[str] | None:
    """The label names in a cell of a task, as its `values` name them; None for a list that is broken."""
    labels = [cell] if cell == "" else split_labels(cell, task.delimiter)
    if labels is None:
        return None
    found = [mapped(label, task.values) for label in labels]
    return [str(name) for name in found if name is not MISSING and name != ""]


def is_list(cell: str | tuple[str, ...]) -> bool:
    """Whether a cell holds a list: of Parquet, or in the notation of JSON or Python."""
    return isinstance(cell, tuple) or _parse_list(cell) is not None


def _parse_list(text: str) -> list[str] | None:
    """A list in JSON's or Python's notation, a tuple or a set as texts; None where it is none of them."""
    if not text.startswith(("[", "(", "{")):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        if _QUOTES_WITHOUT_COMMA.search(text):  # NumPy's notation; Python would join the two names
            return None
        try:
            values = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    if not isinstance(values, (list, tuple, set)):
        return None
    if any(isinstance(value, (list, dict, tuple, set)) for value in values):
        return None
    return [text_of(value) or "" for value in values]


def _is_part_of_list(name: str) -> bool:
    """Whether a name looks as if it were cut out of a list, such as "['red'", "blue']" or "'red'"."""
    unpaired = name.count("[") != name.count("]") or name.count("{") != name.count("}")
    return unpaired or name.startswith(("('", '("')) or name.endswith(("')", '")')) or bool(_QUOTED.fullmatch(name))


class CellRule(NamedTuple):
    """What the cells of a task must be: the rule in words, and how to put a cell right that breaks it."""

    text: str
    fix: str


def parser_of(task: Task) -> tuple[Callable[[Any], Any], CellRule]:
    """A function from a cell to its target, MISSING, or None if the cell breaks the rule; and the rule."""
    known = {label: index for index, label in enumerate(task.classes)}
    origin = f"of the training split or of tasks.{task.name}.classes"
    if task.kind == "multilabel" and task.is_one_column:
        text = f"holds a label that is none of the {len(known)} {origin}, or is a list that cannot be read"
        return partial(_parse_labels, known=known, task=task), CellRule(text, _FIX_LABELS)
    if task.is_single_label and task.is_one_column:
        rule = CellRule(f"is none of the {len(known)} classes {origin}", _FIX_LABELS)
        parse_class = _parse_ordinal_class if task.kind == "ordinal" else _parse_class
        return _of_text(partial(parse_class, known=known, values=task.values)), rule
    if task.kind == "regression":
        is_log = task.scale is not None and task.scale.log1p
        text = "must be a finite number of at least 0 (because of log1p), or blank"
        parse = partial(_parse_value, lowest=0.0 if is_log else -math.inf, values=task.values)
        return _of_text(parse), CellRule(text if is_log else "must be a finite number or blank", _FIX_NUMBERS)
    return _of_text(partial(_parse_binary, values=task.values)), CellRule("must be 0, 1 or blank", _FIX_BINARY)


def _of_text(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A parser of text for which a cell that holds a list breaks the rule."""
    return lambda cell: parse(cell) if isinstance(cell, str) else None


def mapped(text: str, values: Mapping[str, Any]) -> Any:
    """What `values` of a task makes of a cell: MISSING for null, and the text itself where it is not mentioned."""
    for key in (text, whole_number(text)):
        if key in values:
            return MISSING if values[key] is None else values[key]
    return text


def _parse_binary(text: str, values: Mapping[str, Any]) -> Any:
    value = mapped(text, values)
    if not isinstance(value, str):
        return value
    if is_missing(value):
        return MISSING
    number = binary_value(value)
    return None if number == -1 else number


def _parse_value(text: str, lowest: float, values: Mapping[str, Any]) -> Any:
    value = mapped(text, values)
    if value is MISSING or (isinstance(value, str) and is_missing(value)):
        return MISSING
    number = parse_number(str(value))
    return number if number is not None and number >= lowest else None


def parse_number(text: str) -> float | None:
    """A cell as a finite number that float32 can hold; None for any other."""
    try:
        number = float(text)
    except ValueError:
        return None
    # The comparison is false for NaN as well.
    return number if abs(number) <= float(np.finfo(np.float32).max) else None


def _parse_class(text: str, known: Mapping[str, int], values: Mapping[str, Any]) -> Any:
    value = mapped(text, values)
    if value is MISSING:
        return MISSING
    return known.get(str(value), known.get(whole_number(str(value))))


def _parse_ordinal_class(text: str, known: Mapping[str, int], values: Mapping[str, Any]) -> Any:
    """As of a multiclass task, except that a word for a missing value is one, where no class has its name."""
    value = _parse_class(text, known, values)
    return MISSING if value is None and is_missing(text) else value


def _parse_labels(cell: Any, known: Mapping[str, int], task: Task) -> Any:
    """0 or 1 for each known label: float64 [C]; MISSING for a cell that `values` calls so; None for another label."""
    if isinstance(cell, str) and mapped(cell, task.values) is MISSING:
        return MISSING
    labels = label_names(cell, task)
    if labels is None or any(label not in known for label in labels):
        return None
    row = np.zeros(len(known))
    row[[known[label] for label in labels]] = 1
    return row
