"""One pass over a data set: the tables and labels that can be read, a scan of its pictures, and their duplicates."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...config import Config
from ...core.errors import UserError, collect
from ...core.processors import num_cores
from ...data.labels.dataset import LabeledDataset, complete, load_tables, read_labels
from ...data.labels.reader import Targets
from .duplicates import MAX_COLOUR_DIFFERENCE, MAX_GREY_DIFFERENCE, Duplicates, find_duplicates
from .scan import Scan, scan_pictures


@dataclass(frozen=True)
class Survey:
    """What the checks look at. Pictures are numbered through all splits, in their order: N of them.

    Attributes:
        labelled: splits, tasks and targets; tasks may be missing, and None where the source cannot be read at all.
        scan: of the pictures of all splits.
        problems: what reading found to be wrong.
        warnings: what reading has logged as a warning, such as images without a row.
        seconds: that reading, decoding and comparing took.
    """

    config: Config
    labelled: LabeledDataset | None
    scan: Scan | None
    duplicates: Duplicates | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def facts(self) -> dict[str, str]:
        """How it was made, for the head of the page."""
        if self.scan is None or self.duplicates is None:
            return {"pictures": "none were looked at"}
        return {
            "pictures": f"{len(self.scan.decoded):,} decoded and compared in {self.seconds:.1f} s",
            "copies": f"nearly the same means less than {MAX_GREY_DIFFERENCE:g} of 255 apart in grey at 16 x 16 "
            f"pixels, and {MAX_COLOUR_DIFFERENCE:g} in colour at 4 x 4; cut-outs and changed brightness are not found",
        }

    @cached_property
    def splits(self) -> dict[str, slice]:
        """Numbers of each split's pictures."""
        sizes = {} if self.labelled is None else {name: len(table) for name, table in self.labelled.splits.items()}
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    @cached_property
    def split_names(self) -> np.ndarray:
        """Name of each picture's split: object [N]."""
        sizes = [where.stop - where.start for where in self.splits.values()]
        return np.repeat(np.array(list(self.splits), object), sizes)

    @cached_property
    def targets(self) -> dict[str, Targets]:
        """Targets of each task for all pictures."""
        assert self.labelled is not None
        by_split = [self.labelled.targets[split] for split in self.splits]
        return {
            name: Targets(*(np.concatenate(columns) for columns in zip(*(t[name] for t in by_split), strict=True)))
            for name in self.labelled.tasks
        }

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        """Ids of each split: a query for each picture would take a millisecond."""
        assert self.labelled is not None
        return {split: self.labelled.ids(split) for split in self.splits}

    def place(self, number: int) -> tuple[str, int]:
        """Split and row of a picture."""
        split = str(self.split_names[number])
        return split, number - self.splits[split].start

    def describe(self, number: int) -> str:
        """Split and id of a picture."""
        split, row = self.place(number)
        return f"{split}, {self._ids[split][row]}"


def survey(config: Config) -> Survey:
    """Read everything that can be read of the source of a config, and decode each picture once."""
    problems: list[str] = []
    start = time.perf_counter()
    with _warnings() as warnings:
        labelled = _read(config, problems)
    if labelled is None or not sum(map(len, labelled.splits.values())):
        return Survey(config, labelled, None, None, tuple(problems), tuple(warnings))
    num_workers = max(config.data.num_workers, min(num_cores(), 8))
    scan = scan_pictures(labelled.splits, num_workers)
    duplicates = find_duplicates(scan)
    seconds = time.perf_counter() - start
    return Survey(config, labelled, scan, duplicates, tuple(problems), tuple(warnings), seconds)


def _read(config: Config, problems: list[str]) -> LabeledDataset | None:
    """Read splits and targets, splits alone, or nothing; adds what is wrong to `problems`."""
    try:
        labelled, found = read_labels(config)
    except UserError as error:
        problems += error.problems
        return _read_splits(config)
    problems += found
    with collect(problems):
        labelled = complete(labelled, config)
    return _with_unread_targets(labelled)


def _with_unread_targets(labelled: LabeledDataset) -> LabeledDataset:
    """Give the splits whose labels are not read, such as test, targets without a label."""
    targets = {
        split: {
            name: labelled.targets[split].get(name) or _unlabelled(labelled.targets["train"][name], len(table))
            for name in labelled.tasks
        }
        for split, table in labelled.splits.items()
    }
    return replace(labelled, targets=targets)


def _unlabelled(like: Targets, size: int) -> Targets:
    target, mask = (np.zeros((size, *column.shape[1:]), column.dtype) for column in like)
    return Targets(target, mask)


def _read_splits(config: Config) -> LabeledDataset | None:
    try:
        source = load_tables(config)
    except UserError:  # the same that reading the labels has reported
        return None
    splits = {name: source.splits[name] for name in ("train", "validation", "test") if name in source.splits}
    return LabeledDataset(splits, {}, {name: {} for name in splits}, source.fingerprint, notes=source.notes)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that the package logs inside the block."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, listener = logging.getLogger("mtl_accel"), Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield messages
    finally:
        logger.removeHandler(listener)
