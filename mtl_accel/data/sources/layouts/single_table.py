"""Tables of any name in a folder: which of them name its images, and which look as if they should."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....config.sections.data import DataConfig
from ....core.errors import UserError
from ..images.image_names import is_image
from ..images.image_paths import ImageFinder, NoImageError
from ..images.listing import FolderIndex, is_junk
from ..splits import IMAGE_NAMES, split_of
from ..table_cache import TableCache
from ..tables.read_table import READERS, TEXT_SUFFIXES, read_table
from ..tables.text_format import TextFormat
from ..tables.text_tables import describe_missing_header, first_records
from .kaggle import image_folders

_ROWS_TRIED = 100  # a table that names no image in its first rows is taken for something else
_MADE_FOR_TABLES = (".csv", ".tsv", ".xlsx")  # a file of another suffix, such as .txt or .json, may well be no table


@dataclass(frozen=True)
class Place:
    """Where the images of a table lie: one of `bases`, or the folder that alone has images beside the table."""

    bases: tuple[Path, ...]
    other: Path | None = None


class TableTrial:
    """Tries whether tables of a source name images, by their first rows."""

    def __init__(self, data: DataConfig, cache: TableCache, index: FolderIndex) -> None:
        self.data, self.cache, self.index = data, cache, index
        self._places: dict[tuple[Path, str, Path], Place] = {}
        self._begins: dict[Path, tuple[list[str], list[list[str]]]] = {}

    def find(self, folder: Path, root: Path) -> Path | None:
        """The only table of a folder whose rows name images of `root`; None if there is none.

        Raises:
            UserError: there are several.
        """
        tables = [file for file in self._candidates(folder) if self._names_images(file, root)]
        if len(tables) > 1:
            raise UserError(
                f"data.source: {folder} holds {len(tables)} tables of images: {', '.join(f.name for f in tables)}. "
                "Name the training table train.csv, and the others val.csv and test.csv; or say which is which, such "
                f"as --data.tables.train {tables[0].name}"
            )
        return tables[0] if tables else None

    def place(self, file: Path, split: str, root: Path) -> Place:
        """Where the images of a table are looked for: the usual places, else the only other folder with images."""
        key = file, split, root
        if key not in self._places:
            self._places[key] = self._find_place(file, split, root)
        return self._places[key]

    def _find_place(self, file: Path, split: str, root: Path) -> Place:
        places = (*image_folders(file.parent, split), *image_folders(root, split))
        bases = tuple(dict.fromkeys((file.parent, root, *places)))
        if self.data.image_dirs is not None or self._has_image(self._first_names(file)[1], bases):
            return Place(bases)
        with_images = [Path(listing.real) for listing in self.index.walk(root) if any(map(is_image, listing.named))]
        others = [path for path in with_images if path.parent in (root, file.parent) and path not in bases]
        return Place(bases, others[0] if len(others) == 1 else None)

    def require_unrelated(self, folder: Path) -> None:
        """Check that no table of a folder that is read as class folders looks like the table of its images.

        Raises:
            UserError: each that does.
        """
        found = [(file, reason) for file in self._candidates(folder) if (reason := self._suspicion(file)) is not None]
        if found:
            raise UserError(
                [
                    *(f"{file}: {reason}" for file, reason in found),
                    f"If it is the table of the images, mend it or say where they lie: --data.tables.train "
                    f"{found[0][0].name} --data.image_dirs '[\"FOLDER\"]'. If the folders of {folder} are the classes, "
                    "say so: --data.tables '{}'",
                ]
            )

    def _candidates(self, folder: Path) -> list[Path]:
        joined = {folder / join.table for join in self.data.join}
        files = (folder / name for name in self.index.listing(str(folder)).named if not is_junk(name))
        suffixes = READERS.keys() - {".parquet"}
        return sorted(
            file for file in files if file.suffix.lower() in suffixes and file.stem != "metadata" and file not in joined
        )

    def _read(self, file: Path) -> tuple[list[str], list[list[str]]]:
        """The header of a table and its first rows as text. Raises UserError if it cannot be read."""
        if file not in self._begins:
            self._begins[file] = self._read_begin(file)
        return self._begins[file]

    def _read_begin(self, file: Path) -> tuple[list[str], list[list[str]]]:
        text = TextFormat.of(self.data)
        if file.suffix.lower() in TEXT_SUFFIXES:
            return first_records(file, text, _ROWS_TRIED)
        table = read_table(file, self.cache, text=text).table
        rows = table.select(range(min(len(table), _ROWS_TRIED))).with_format("arrow")[:].to_pylist()
        return table.column_names, [["" if cell is None else str(cell) for cell in row.values()] for row in rows]

    def _first_names(self, file: Path) -> tuple[str, list[str]]:
        """The head of the column of images, and its first cells; "" and [] if the file is no table."""
        try:
            header, rows = self._read(file)
        except UserError:
            return "", []
        by_name = {name.lower(): index for index, name in reversed(list(enumerate(header)))}
        # A table that has none of the usual names has its images in the first column, behind one that counts the rows.
        usual = next((by_name[name] for name in IMAGE_NAMES if name in by_name), int(header[:1] == [""]))
        index = header.index(self.data.image_column) if self.data.image_column in header else usual
        names = [cells[index].strip() for cells in rows if len(cells) > index]
        return (header[index] if len(header) > index else ""), names

    def _names_images(self, file: Path, root: Path) -> bool:
        """Whether a file is a table, and one of its first rows names an image.

        Raises:
            UserError: the first line names an image, too, so that there are no names of columns.
        """
        head, names = self._first_names(file)
        place = self.place(file, split_of(file.stem) or "train", root)
        bases = place.bases if place.other is None else (*place.bases, place.other)
        if not self._has_image(names, bases):
            return False
        if self._has_image([head], bases):
            raise UserError(describe_missing_header(file, 1, head))
        return True

    def _has_image(self, names: Iterable[str], bases: Sequence[Path]) -> bool:
        """Whether one of some names leads to an image."""
        dirs = [(bases[0] / Path(name).expanduser()).resolve() for name in self.data.image_dirs or ()]
        finder = ImageFinder.of(*bases, *dirs, index=self.index)
        return any(_leads_to_image(name, bases, dirs, finder) for name in names)

    def _suspicion(self, file: Path) -> str | None:
        """Why a file that names no image here looks like a table of images; None if it does not."""
        try:
            header, rows = self._read(file)
        except UserError as error:
            is_made_for_tables = file.suffix.lower() in _MADE_FOR_TABLES
            return f"it cannot be read as a table ({error.problems[0]})" if is_made_for_tables else None
        names = IMAGE_NAMES if self.data.image_column is None else (self.data.image_column,)
        named = [name for name in header if name.lower() in names]
        if named and file.suffix.lower() in _MADE_FOR_TABLES:
            return f"it has a column {named[0]!r}, but its first rows name no image that is here"
        for index in range(len(header)):
            cells = [row[index].strip() for row in rows if len(row) > index]
            if cells and 2 * sum(map(is_image, cells)) >= len(cells):
                return f"it names images, such as {next(filter(is_image, cells))!r}, but none that is here"
        return None


def _leads_to_image(name: str, bases: Sequence[Path], dirs: Sequence[Path], finder: ImageFinder) -> bool:
    try:
        return bool(name) and is_image(finder.find(name, bases, dirs).path)
    except NoImageError:
        return False
