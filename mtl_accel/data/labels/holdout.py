"""The hold-out: which rows of the training split become the validation split, stratified, by groups or by folds."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Hashable, Iterable, Mapping, Sequence

import datasets
import numpy as np

from ...config.knobs import did_you_mean
from ...config.sections.data import DataConfig
from ...core.errors import UserError
from ..sources.splits import ids_of
from .cells import whole_number
from .columns import read_column
from .stratification import iterative_folds, label_counts


def choose_validation(table: datasets.Dataset, strata: Sequence[np.ndarray], data: DataConfig) -> np.ndarray:
    """Choose the rows of the validation split, as a config says: bool [N].

    Args:
        table: the training split, of N rows.
        strata: what is kept in proportion, int32 [N, K] a task; the first one counts most.

    Raises:
        UserError: a column is not there, or one of the two splits would be empty.
    """
    if data.fold_column is not None:
        held_out = np.array([value == str(data.fold) for value in _texts(table, data.fold_column, "fold_column")])
        if held_out.all() or not held_out.any():
            raise UserError(
                f"data.fold: {int(held_out.sum())} of {len(held_out)} training rows have {data.fold} in column "
                f"{data.fold_column!r}, and validation needs some of them and training the others"
            )
        return held_out
    ids, rows = list(ids_of(table)), np.concatenate(strata, axis=1)
    groups = None if data.group_column is None else _texts(table, data.group_column, "group_column")
    if data.stratify == "labels":
        shares = [data.validation_fraction, 1 - data.validation_fraction]
        if data.folds is not None:
            shares = [1 / data.folds] * data.folds
        return label_folds(ids, strata, groups, shares, data.split_seed) == (data.fold or 0)
    if groups is not None:
        num_folds = data.folds or max(round(1 / data.validation_fraction), 2)
        return group_folds(ids, strata[0], groups, num_folds, data.split_seed) == (data.fold or 0)
    if data.folds is not None:
        return row_folds(ids, rows, data.folds, data.split_seed) == data.fold
    return choose_rows(ids, rows, data.validation_fraction, data.split_seed)


def _texts(table: datasets.Dataset, name: str, knob: str) -> list[str | None]:
    """The cells of a column as text; None for a blank. Raises UserError where the column is not there."""
    if name not in table.column_names:
        hint = did_you_mean(name, table.column_names)
        raise UserError(f"data.{knob}: the table has no column {name!r}; it has: {', '.join(table.column_names)}{hint}")
    return [
        None if code < 0 else whole_number(str(cells.values[code]))
        for cells in read_column(table, name)
        for code in cells.codes
    ]


def row_folds(ids: Iterable[str], strata: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """Number of each row's fold, int64 [N]; sizes, and shares of each stratum, differ by one row at most.

    Like `choose_rows` it depends on the set of (id, stratum) and on the seed, and not on the order of the rows.
    """
    order = _sorted_rows(ids, strata, seed)
    if len(order) < num_folds:
        raise UserError(f"data.folds: {num_folds} folds of {len(order)} training images leave one empty; set it lower")
    folds = np.empty(len(order), dtype=np.int64)
    folds[order] = np.arange(len(order)) % num_folds
    return folds


def label_folds(
    ids: Sequence[str],
    strata: Sequence[np.ndarray],
    groups: Sequence[str | None] | None,
    shares: Sequence[float],
    seed: int,
) -> np.ndarray:
    """Number of each row's fold, int64 [N], with each class and label in proportion; a group is in one fold.

    Args:
        shares: of the rows that each fold shall have, which add up to 1.
    """
    names = ids if groups is None else _unit_names(ids, groups)
    known, units = np.unique(np.array(names, dtype=object), return_inverse=True)
    if len(known) < len(shares):
        raise UserError(f"data.stratify: {len(known)} rows or groups cannot be dealt to {len(shares)} folds")
    order = _sorted_rows(known, np.zeros((len(known), 1), np.int32), seed)
    folds = iterative_folds(label_counts(strata, units), shares, order)[units]
    if len(np.unique(folds)) < len(shares):
        raise UserError(
            f"data.stratify: of {len(ids)} training images one of the {len(shares)} parts would be empty. Set "
            "data.folds lower, or data.validation_fraction nearer to one half"
        )
    return folds


def _unit_names(ids: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """Name of each row's group; a row without one is a group of its own."""
    return [f"group {g}" if g is not None else f"row {i}" for g, i in zip(groups, ids, strict=True)]


def group_folds(
    ids: Sequence[str], strata: np.ndarray, groups: Sequence[str | None], num_folds: int, seed: int
) -> np.ndarray:
    """Number of each row's fold, int64 [N], by scikit-learn's StratifiedGroupKFold; a group is in one fold.

    A row without a group is a group of its own. Rows are sorted by their ids before, so that their order in the table
    does not matter.
    """
    order = np.argsort(np.array(ids, dtype=object), kind="stable")
    names = np.array(_unit_names(ids, groups))[order]
    num_groups = len(set(names))
    if num_groups < num_folds:
        raise UserError(
            f"data.group_column: the training rows have {num_groups} groups, which cannot be dealt to {num_folds} "
            "folds; set data.folds lower, or data.validation_fraction higher"
        )
    classes = _common_ranks(strata[order], num_folds)
    # Not imported above: it takes most of a second and 75 MB, which a run without groups need not pay.
    model_selection = importlib.import_module("sklearn.model_selection")
    splitter = model_selection.StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed % 2**32)
    folds = np.empty(len(ids), dtype=np.int64)
    for number, (_, held_out) in enumerate(splitter.split(np.zeros(len(ids)), classes, names)):
        folds[order[held_out]] = number
    return folds


def shared_groups(splits: Mapping[str, datasets.Dataset], column: str) -> list[str]:
    """Say how many groups stand in training and in validation, where the source made the splits; a line at most."""
    names = ("train", "validation")
    train, validation = ({text for text in _texts(splits[n], column, "group_column") if text} for n in names)
    shared = sorted(train & validation)
    shown = f" ({', '.join(shared[:3])}{', ...' if len(shared) > 3 else ''})"
    return [f"group_column: {len(shared)} of {column} stand in train and in validation{shown}"] if shared else []


def _common_ranks(strata: np.ndarray, num_folds: int) -> np.ndarray:
    """Ranks of the strata, int64 [N], where those that are too rare to stand in each fold count as one."""
    ranks = _ranks(strata)
    counts = np.bincount(ranks)
    ranks = np.where(counts[ranks] < num_folds, counts.argmax(), ranks)
    return np.unique(ranks, return_inverse=True)[1].reshape(-1)


def choose_rows(ids: Iterable[str], strata: Sequence[Hashable] | np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Choose the rows of the validation split: bool [N].

    The choice depends on the set of (id, stratum) and on the seed, and not on the order of the rows. Rows are sorted
    by stratum, then by a keyed hash of their ids, and taken at even distances: the total and the count of each stratum
    differ by less than one from their shares, however many strata there are, and even if each has a single row.

    Args:
        ids: of the N rows, unique.
        strata: of the N rows; an array [N] or [N, K] needs no Python object for each row.

    Raises:
        UserError: the fraction leaves one of the two splits empty.
    """
    size = len(strata)
    count = round(fraction * size)
    if not 0 < count < size:
        raise UserError(
            f"data.validation_fraction: {fraction} of {size} training images is {count}, which leaves one of the "
            "two splits empty. Choose another fraction, or give a validation split"
        )
    order = _sorted_rows(ids, strata, seed)
    # Positions at even steps; the seed draws where in the first step they start.
    start = int.from_bytes(_hash(seed, "start")[:6], "big") / 2**48
    positions = np.floor((np.arange(count) + start) * size / count).astype(np.int64)
    held_out = np.zeros(size, dtype=bool)
    held_out[order[positions]] = True
    return held_out


def _sorted_rows(ids: Iterable[str], strata: Sequence[Hashable] | np.ndarray, seed: int) -> np.ndarray:
    """Rows sorted by stratum, then by a keyed hash of their ids: int64 [N]."""
    hashes = bytearray()
    for identifier in ids:
        hashes += _hash(seed, identifier)
    high, low = np.frombuffer(hashes, dtype=">u8").reshape(len(strata), 2).T
    return np.lexsort((low, high, _ranks(strata)))


def _ranks(strata: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    """Rank of each row's stratum among all strata, which are sorted by their `repr`: int64 [N]."""
    if isinstance(strata, np.ndarray):
        distinct, codes = np.unique(strata, axis=0, return_inverse=True)
        names = [repr(tuple(row) if isinstance(row, list) else row) for row in distinct.tolist()]
    else:
        number = {name: code for code, name in enumerate(dict.fromkeys(map(repr, strata)))}
        names, codes = list(number), np.array([number[repr(stratum)] for stratum in strata])
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return ranks[codes.reshape(-1)]


def _hash(seed: int, value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, key=str(seed).encode()).digest()
