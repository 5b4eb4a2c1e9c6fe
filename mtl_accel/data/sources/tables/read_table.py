"""Reads a file as a table, in the format that its suffix says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ....core.errors import UserError
from ..splits import RawSplit
from ..table_cache import TableCache
from .json_tables import read_json, read_jsonl
from .parquet_file import read_parquet_file
from .spreadsheet import read_xlsx
from .text_format import TO_BE_FOUND, TextFormat
from .text_tables import read_csv

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
READERS: dict[str, Callable[..., RawSplit]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet_file,
    ".xlsx": read_xlsx,
}


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix."""
    return path.suffix.lower() in READERS


def read_table(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read the table in a file of any format of `READERS`.

    Raises:
        UserError: the format is unknown, or the file is not as its reader expects.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: its suffix is none of a table. Save it as one of {', '.join(READERS)}")
    return reader(path, cache, split, bases, text)
