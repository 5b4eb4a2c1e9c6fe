"""Guesses what a column of an unknown table is: classes, a label, a list, numbers, groups, folds, or nothing.

It is a guess with a reason. Where a column may be two things, the reason names both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import datasets
import numpy as np

from ....data.labels.cells import DELIMITERS, LETTERS, binary_value, is_missing, split_labels, whole_number
from ....data.labels.columns import read_column
from ....data.sources.images.image_names import is_image
from .columns import CLASS_NAMES, MAX_CLASSES, MIN_GROUPS, Cells, Column, shown

_MAX_NUMBERED_CLASSES = 20
_MIN_SPAN = 100.0  # from the first to the last percentile, from which on numbers are learnt as logarithms
_MIN_CODE_DIGITS = 8  # numbers of so many digits, all equally many, are article numbers or the like
_MIN_TEXT_WORDS = 4  # on average, in free text

_FOLD_NAMES = {"fold", "folds", "kfold", "k_fold", "fold_id", "cv_fold"}
_GROUPS = ("patient", "subject", "person", "user", "product", "item", "garment", "article", "scene", "session", "video")
_GROUP_NAMES = {"group", "group_id", "groups", *(f"{noun}_id" for noun in _GROUPS)}
_ID_NAMES = {"id", "ids", "index", "uuid", "guid", "key", "row", "no", "nr", "number", "idx"}
_ADDRESS = re.compile(r"(?i)(?:https?|s3|gs)://")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_LEADING_ZERO = re.compile(r"-?0\d")


def roles_of_columns(table: datasets.Dataset, names: Iterable[str]) -> list[Column]:
    """Read some columns of a table, and say what each probably is."""
    features = table.features  # a property that copies those of all columns each time
    kinds = (datasets.Value, datasets.ClassLabel, datasets.List, datasets.LargeList)
    return [
        role_of_cells(name, _count_cells(table, name))
        if isinstance(features[name], kinds)
        else Column(name, "nothing", "not one value or list a row")
        for name in names
    ]


def _count_cells(table: datasets.Dataset, name: str) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for cells in read_column(table, name):
        numbers = np.bincount(cells.codes[cells.codes >= 0], minlength=len(cells.values))
        counts.update(dict(zip(cells.values, numbers.tolist(), strict=True)))
    return counts


def role_of_cells(name: str, counts: Mapping[Any, int]) -> Column:
    """Say what a column probably is from its distinct cells (texts, or tuples of texts) and the rows of each."""
    cells = Cells(name, counts)
    if any(isinstance(cell, tuple) for cell in counts):
        return Column(name, "list", "lists of names", counts)
    for rule in _RULES:
        found = rule(cells)
        if found is not None:
            return found
    return _too_many(cells)


def _blank(cells: Cells) -> Column | None:
    return None if cells.texts else Column(cells.name, "nothing", "all blank")


def _yes_or_no(cells: Cells) -> Column | None:
    values = {text: binary_value(text) for text in cells.texts}
    if None in values.values():
        return None
    numbers = set(values.values())
    words = {text.casefold() for text in cells.texts}
    if len(numbers) == 1:
        return _constant(cells)
    if words <= LETTERS and not words & {"t", "y"}:
        return None
    positive = sum(cells.counts[text] for text, value in values.items() if value == 1) / cells.num_rows
    if numbers == {-1, 0, 1}:
        reason = 'holds -1, 0 and 1: -1 is read as no label; if it is a no, write "values": {"-1": 0}'
        return Column(cells.name, "label", reason, cells.counts, {"values": {"-1": None}}, positive)
    return Column(cells.name, "label", f"yes in {positive:.0%} of the rows", cells.counts, {}, positive)


def _constant(cells: Cells) -> Column | None:
    if len(cells.texts) > 1:
        return None
    (text,) = cells.texts
    return Column(cells.name, "nothing", f"{shown([text])} in all rows that are not blank")


def _places_and_dates(cells: Cells) -> Column | None:
    for what, fits in (
        ("names of image files", is_image),
        ("addresses", lambda text: bool(_ADDRESS.match(text))),
        ("dates", lambda text: bool(_DATE.fullmatch(text))),
    ):
        if cells.share(fits) > 0.5:
            return Column(cells.name, "nothing", f"{what}, such as {shown(cells.texts[:1])}")
    return None


def _fold(cells: Cells) -> Column | None:
    is_fold = cells.normal_name in _FOLD_NAMES and len(cells.texts) <= _MAX_NUMBERED_CLASSES
    if not is_fold or not all(whole_number(text).isdecimal() for text in cells.texts):
        return None
    first = min(int(whole_number(text)) for text in cells.texts)
    reason = f"folds by its name; fold {first} of {len(cells.texts)} is held out"
    return Column(cells.name, "fold", reason, options={"fold": first})


def _group(cells: Cells) -> Column | None:
    if cells.normal_name not in _GROUP_NAMES or cells.is_unique or len(cells.texts) < MIN_GROUPS:
        return None
    return Column(cells.name, "group", f"{_describe_groups(cells)}, groups by its name", cells.counts)


def _identifier(cells: Cells) -> Column | None:
    is_named = cells.normal_name in _ID_NAMES or cells.normal_name.endswith("_id")
    numbers = cells.numbers
    if cells.is_unique and (is_named or _counts_rows(numbers)):
        return Column(cells.name, "nothing", "another value in every row, an id")
    if numbers is not None and _are_codes(cells.texts) and not cells.are_few:
        return Column(cells.name, "nothing", f"codes, such as {shown(cells.texts[:1])}, and no amounts")
    return None


def _counts_rows(numbers: np.ndarray | None) -> bool:
    """Whether the numbers, which are all different, follow one another."""
    return numbers is not None and len(numbers) > 1 and bool((np.diff(np.sort(numbers)) == 1).all())


def _are_codes(texts: list[str]) -> bool:
    """Whether digits are no amount: some begin with 0, or all are equally many and long."""
    lengths = {len(text) for text in texts}
    return any(_LEADING_ZERO.match(text) and text.isdecimal() for text in texts) or (
        len(lengths) == 1 and min(lengths) >= _MIN_CODE_DIGITS and all(text.isdecimal() for text in texts)
    )


def _list_of_names(cells: Cells) -> Column | None:
    if any(text.startswith("[") for text in cells.texts):
        broken = [text for text in cells.texts if split_labels(text, ",") is None]
        if broken:
            return Column(cells.name, "nothing", f"lists, of which {shown(broken[:1])} cannot be read")
        return Column(cells.name, "list", "lists of names in brackets", cells.counts)
    found = [delimiter for delimiter in (*DELIMITERS, " ") if _is_delimiter(cells, delimiter)]
    if not found or cells.numbers is not None:
        return None
    names = sorted({name for text in cells.texts for name in split_labels(text, found[0]) or ()})
    reason = f"lists of {len(names)} names ({shown(names)}), separated by {found[0]!r}"
    if cells.are_few:
        reason += f"; if each of its {len(cells.texts)} cells is one class, make it a multiclass task"
    return Column(cells.name, "list", reason, cells.counts, {"delimiter": found[0]})


def _is_delimiter(cells: Cells, delimiter: str) -> bool:
    """Whether cells are lists by this delimiter: fewer names than cells, and most of them in several cells."""
    parts = [split_labels(text, delimiter) or [] for text in cells.texts]
    occurrences = Counter(name for names in parts for name in set(names))
    several = sum(count > 1 for count in occurrences.values())
    has_lists = sum(len(names) > 1 for names in parts) >= 2
    # A space also stands within the name of a class.
    is_smaller = (2 if delimiter == " " else 1) * len(occurrences) <= len(cells.texts)
    return has_lists and is_smaller and 2 * several >= len(occurrences) and len(occurrences) <= MAX_CLASSES


def _numbers(cells: Cells) -> Column | None:
    values = cells.numbers
    if values is None or _are_codes(cells.texts):
        return None
    is_whole = bool((values == np.round(values)).all())
    limit = MAX_CLASSES if cells.normal_name in CLASS_NAMES else _MAX_NUMBERED_CLASSES
    if is_whole and len(values) <= limit and cells.are_few:
        reason = f"{len(values)} whole numbers; if they are amounts or an order, make it a regression or ordinal task"
        return _classes_of(cells, reason)
    weights = np.array([cells.counts[text] for text in cells.texts])
    sorted_values = np.repeat(values, weights)
    low, high = np.percentile(sorted_values[sorted_values > 0], [1, 99]) if (values > 0).any() else (1.0, 1.0)
    is_log = bool((values >= 0).all()) and high / low >= _MIN_SPAN
    reason = f"numbers from {values.min():g} to {values.max():g}"
    if is_log:
        reason += (
            f", which span orders of magnitude ({low:g} to {high:g} for 98% of them), so their logarithm is learnt"
        )
    if is_whole and cells.is_unique:
        reason += "; another one in every row: if it is an id, leave it out"
    return Column(cells.name, "numbers", reason, options={"log1p": True} if is_log else {})


def _classes(cells: Cells) -> Column | None:
    return (
        _classes_of(cells, f"{len(cells.texts)} different texts ({shown(sorted(cells.texts))})")
        if cells.are_few
        else None
    )


def _classes_of(cells: Cells, reason: str) -> Column:
    counts: Counter[str] = Counter()
    for text, count in cells.counts.items():
        counts[whole_number(text)] += count
    doubtful = [text for text in cells.counts if is_missing(text) or text == "-1"]
    if doubtful:
        reason += f'; {shown(doubtful)} is a class, too: "values": {{"{doubtful[0]}": null}} if it means no label'
    return Column(cells.name, "classes", reason, counts)


def _too_many(cells: Cells) -> Column:
    if np.mean([len(text.split()) for text in cells.texts]) >= _MIN_TEXT_WORDS:
        return Column(cells.name, "nothing", f"free text, such as {shown(cells.texts[:1])}")
    if cells.is_unique:
        return Column(cells.name, "nothing", "another text in every row, an id or a name")
    reason = f"{_describe_groups(cells)}: too many for classes; if rows of one value belong together, set group_column"
    return Column(cells.name, "nothing", reason, cells.counts)


def _describe_groups(cells: Cells) -> str:
    return f"{len(cells.texts)} values in {cells.num_rows} rows"


_RULES: Final[tuple[Callable[[Cells], Column | None], ...]] = (
    _blank,
    _yes_or_no,
    _constant,
    _places_and_dates,
    _fold,
    _group,
    _identifier,
    _list_of_names,
    _numbers,
    _classes,
)
