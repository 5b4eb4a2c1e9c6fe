"""What one pass over a data set gives: the tables and labels that can be read, and a scan of its pictures."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import Config
from ..core.errors import UserError
from ..data.labels.dataset import LabeledDataset, read_dataset


@dataclass(frozen=True)
class Survey:
    """What the checks look at.

    Attributes:
        labelled: splits, tasks and targets; None where the source cannot be read at all.
        problems: what reading found to be wrong.
    """

    config: Config
    labelled: LabeledDataset | None
    problems: tuple[str, ...] = ()


def survey(config: Config) -> Survey:
    """Read everything that can be read of the source of a config."""
    try:
        return Survey(config, read_dataset(config))
    except UserError as error:
        return Survey(config, None, tuple(error.problems))
