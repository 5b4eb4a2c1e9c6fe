"""A folder with one table of any name, such as labels.csv, which is then its training table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...config.sections.data import DataConfig
from ...core.errors import UserError
from .images.image_names import is_image
from .images.image_paths import ImageFinder, NoImageError
from .images.listing import files_below
from .kaggle import image_folders
from .splits import IMAGE_NAMES, RawSplit, split_of
from .table_cache import TableCache
from .tables.read_table import TEXT_SUFFIXES, read_table
from .tables.text_format import TextFormat
from .tables.text_tables import describe_missing_header, first_records

_ROWS_TRIED = 100  # a table that names no image in its first rows is taken for something else


def find_single_table(folder: Path, data: DataConfig) -> Path | None:
    """The only text table of a folder whose rows name images of it; None if there is none.

    Raises:
        UserError: there are several.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in TEXT_SUFFIXES and file.is_file())
    joined = {folder / join.table for join in data.join}
    candidates = [
        file for file in files if not file.name.startswith(".") and file.stem != "metadata" and file not in joined
    ]
    if not candidates:
        return None
    bases = _image_folders(folder)
    tables = [file for file in candidates if _names_images(file, bases, data)]
    if len(tables) > 1:
        raise UserError(
            f"data.source: {folder} holds {len(tables)} tables of images: {', '.join(file.name for file in tables)}. "
            "Name the training table train.csv, and the others val.csv and test.csv; or give the path of one table as "
            "data.source"
        )
    return tables[0] if tables else None


def read_single_table(file: Path, text: TextFormat, cache: TableCache, *, named: bool = False) -> RawSplit:
    """Read a table as the split that its name says, else as train.

    Args:
        named: the config names this file, so that nothing is inferred but the split.
    """
    split = split_of(file.stem) or "train"
    bases = _image_folders(file.parent, split)
    table = read_table(file, cache, split, bases, text)
    if named:
        return table
    return replace(table, notes=(*table.notes, "it is read as the training table, the only one of the folder"))


def _image_folders(folder: Path, split: str = "train") -> tuple[Path, ...]:
    """Where the images of a table are looked for: the usual places, else the only folder beside it with images."""
    usual = image_folders(folder, split)
    below = {Path(parent) for parent, name in files_below(folder) if is_image(name)} - {folder}
    others = {path for path in below if path.parent == folder} - set(usual)
    return (*usual, *others) if len(others) == 1 else usual


def _names_images(file: Path, bases: Sequence[Path], data: DataConfig) -> bool:
    """Whether a file is a table, and one of its first rows names an image.

    Raises:
        UserError: the first line names an image, too, so that there are no names of columns.
    """
    try:
        header, rows = first_records(file, TextFormat.of(data), _ROWS_TRIED)
    except UserError:
        return False
    by_name = {name.lower(): index for index, name in reversed(list(enumerate(header)))}
    # A table that has none of the usual names has its images in the first column, behind one that counts the rows.
    usual = next((by_name[name] for name in IMAGE_NAMES if name in by_name), int(header[:1] == [""]))
    index = header.index(data.image_column) if data.image_column in header else usual
    names = [cells[index].strip() for cells in rows if len(cells) > index]
    dirs = [(file.parent / Path(name).expanduser()).resolve() for name in data.image_dirs or ()]
    finder = ImageFinder.of(file.parent, *dirs)
    if not any(_leads_to_image(name, bases, dirs, finder) for name in names):
        return False
    if _leads_to_image(header[index], bases, dirs, finder):
        raise UserError(describe_missing_header(file, 1, header[index]))
    return True


def _leads_to_image(name: str, bases: Sequence[Path], dirs: Sequence[Path], finder: ImageFinder) -> bool:
    try:
        return bool(name) and is_image(finder.find(name, bases, dirs).path)
    except NoImageError:
        return False
