"""Finds where the tables of a source lie, and chooses who reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....config.sections.data import DataConfig
from ....core.atomic_io import cache_dir
from ....core.errors import MAX_LISTED, UserError
from ...wardrobe.wardrobe import write_wardrobe
from .. import arrow, hub, imagefolder
from ..images.listing import FolderIndex
from ..splits import RawSplit, split_of, split_paths
from ..table_cache import TableCache
from ..tables.read_table import READERS, is_table
from ..tables.text_format import TextFormat
from . import kaggle
from .named_tables import read_tables, with_inferred
from .single_table import TableTrial


@dataclass(frozen=True)
class Tables:
    """The tables of a source, and the folder that they and their images lie in; None for a data set of the Hub."""

    splits: list[RawSplit]
    folder: Path | None


def read_layout(data: DataConfig, cache: TableCache, index: FolderIndex, only: str | None) -> Tables:
    """Find and read the tables of a source.

    Args:
        only: of the tables that the config names, the one of this split is enough.

    Raises:
        UserError: there are none, or everything that is wrong with them.
    """
    if data.tables:
        return _read_named(data, {str(split): name for split, name in data.tables.items()}, cache, index, only)
    path = find_path(data)
    if path is None and data.image_dirs is not None:
        raise UserError("data.image_dirs: a data set of the Hub brings its images along. Leave data.image_dirs out")
    if path is None:
        return Tables(hub.read_hub(data, cache), None)
    reader = FolderReader(data, cache, index)
    if path.is_dir():
        return reader.read_classes(path) if data.tables is not None else reader.read(path)
    if is_table(path):
        return Tables(read_tables({split_of(path.stem) or "train": path}, path.parent, reader.trial), path.parent)
    raise UserError(f"data.source: {path} is a file. Give the folder that it lies in, or one of {', '.join(READERS)}")


def find_path(data: DataConfig) -> Path | None:
    """The real path of the source's folder or table, with the wardrobe drawn if it is the source; None for the Hub.

    Raises:
        UserError: the source is neither.
    """
    if data.source == "wardrobe":
        cache = cache_dir(data.cache_dir) / "wardrobe"
        return write_wardrobe(data.wardrobe, cache, num_workers=max(data.num_workers, 1)).resolve()
    path = Path(data.source).expanduser()
    if path.exists():
        return path.resolve()
    if hub.is_hub_id(data.source):
        return None
    hint = f"; if {data.source.partition(':')[0]!r} is a plugin's source, give that by --plugin" * (":" in data.source)
    raise UserError(
        f"data.source: {data.source!r} is neither a folder that exists (looked at {path.absolute()}) nor the id of a "
        f"Hub data set, which reads owner/name. Correct the path{hint}"
    )


def _read_named(
    data: DataConfig, names: Mapping[str, str], cache: TableCache, index: FolderIndex, only: str | None
) -> Tables:
    """Read the tables of data.tables. Where data.source is left out, it is the folder of the first of them."""
    is_left_out = data.source == "wardrobe"
    base = Path().resolve() if is_left_out else find_path(data)
    if base is None or not base.is_dir():
        raise UserError(
            f"data.tables: their names are relative to data.source, which is {data.source!r} and no folder. Give the "
            "folder as data.source, or leave data.tables out"
        )
    wanted = names if only is None or only not in names else {only: names[only]}
    files = {split: base / Path(name).expanduser() for split, name in wanted.items()}
    folder = next(iter(files.values())).parent.resolve() if is_left_out else base
    splits = read_tables(files, folder, TableTrial(data, cache, index))
    if is_left_out:
        relative = {split: _relative(base / Path(name).expanduser(), folder) for split, name in names.items()}
        note = f"data.source is the folder of its table, {folder}"
        splits = with_inferred(splits, {"data.source": str(folder), "data.tables": relative}, note)
    return Tables(splits, folder)


def _relative(file: Path, folder: Path) -> str:
    return os.path.relpath(file, folder) if file.resolve().is_relative_to(folder) else str(file)


class FolderReader:
    """Reads a folder in the first layout that it has."""

    def __init__(self, data: DataConfig, cache: TableCache, index: FolderIndex) -> None:
        self.data, self.cache, self.index = data, cache, index
        self.text, self.trial = TextFormat.of(data), TableTrial(data, cache, index)

    def read(self, folder: Path) -> Tables:
        """Read the tables of a folder, else those one folder below, else its folders of classes.

        Raises:
            UserError: there are none, or it is not clear which.
        """
        read = self._reader(folder)
        if read is not None:
            return Tables(read(), folder)
        found = self._read_below(folder, [folder / name for name in self._subfolders(folder)])
        return found if found is not None else self.read_classes(folder, can_be_below=True)

    def read_classes(self, folder: Path, *, can_be_below: bool = False) -> Tables:
        """Read folders of classes, or images without any.

        Args:
            can_be_below: whether nobody said so; then a folder that holds them all may lie in between, and no table
                may look like that of the images.

        Raises:
            UserError: there are no images, or there is such a table.
        """
        if not imagefolder.has_images(folder, self.index):
            there = ", ".join(sorted(path.name for path in folder.iterdir())[:MAX_LISTED]) or "nothing"
            raise UserError(
                f"data.source: {folder} holds no data set. Expected train.csv or one other table with images, "
                "train/metadata.csv (or .jsonl, .parquet), class folders with images, train*.parquet, or a folder of "
                f"save_to_disk. It holds: {there}"
            )
        inner = self._only_folder(folder) if can_be_below else None
        if can_be_below:
            for place in (folder, *split_paths(inner or folder).values(), *(() if inner is None else (inner,))):
                self.trial.require_unrelated(place)
        read = imagefolder.read_imagefolder(inner or folder, None, self.text, self.cache, self.index)
        read = with_inferred(read, {"data.tables": {}})
        if inner is None:
            return Tables(read, folder)
        return Tables(self._moved(read, folder, inner), inner)

    def _reader(self, folder: Path) -> Callable[[], list[RawSplit]] | None:
        """How the tables of a folder are read; None if it holds none."""
        if arrow.is_saved(folder):
            return lambda: arrow.read_saved(folder)
        if kaggle.split_tables(folder):
            return lambda: kaggle.read_kaggle_folder(folder, self.text, self.cache)
        if arrow.parquet_files(folder):
            return lambda: arrow.read_parquet(folder)
        if (table := self.trial.find(folder, folder)) is not None:
            return lambda: self._read_found({split_of(table.stem) or "train": table}, folder)
        if imagefolder.has_metadata(folder):
            column = self.data.image_column
            return lambda: imagefolder.read_imagefolder(folder, column, self.text, self.cache, self.index)
        return None

    def _text_tables(self, folder: Path, root: Path) -> dict[str, Path]:
        """The tables of the splits in a folder, by their names, or its only one."""
        if found := kaggle.split_tables(folder):
            return found
        table = self.trial.find(folder, root)
        return {} if table is None else {split_of(table.stem) or split_of(folder.name) or "train": table}

    def _read_below(self, folder: Path, places: list[Path]) -> Tables | None:
        """Read the tables of one folder of several, or one table of each folder of a split; None if there are none.

        Raises:
            UserError: there are others, or the folders may as well be classes.
        """
        places = [place for place in places if self._may_hold_tables(place)]
        text_tables = {place: found for place in places if (found := self._text_tables(place, folder))}
        others = [place for place in places if place not in text_tables and self._reader(place) is not None]
        if not text_tables and not others:
            return None
        are_splits = all(split_of(place.name) in tables and len(tables) == 1 for place, tables in text_tables.items())
        if not others and (are_splits or (len(text_tables) == 1 and not self._may_be_class(folder, *text_tables))):
            files = {split: file for tables in text_tables.values() for split, file in tables.items()}
            return Tables(self._read_found(files, folder), folder)
        if not text_tables and len(others) == 1:
            if self._may_be_class(folder, others[0]):
                return None
            (inner,), read = others, self._reader(others[0])
            assert read is not None
            return Tables(self._moved(read(), folder, inner), inner)
        names = [str(file.relative_to(folder)) for tables in text_tables.values() for file in tables.values()]
        names += [f"{place.name}/" for place in others]
        raise UserError(
            f"data.source: {folder} holds tables in several folders: {', '.join(names[:MAX_LISTED])}. Give one of the "
            "folders as data.source, or say which table is which, such as "
            f"--data.tables.train {names[0]}; if the folders are the classes, set --data.tables '{{}}'"
        )

    def _may_hold_tables(self, folder: Path) -> bool:
        """Whether a folder has a file with the suffix of a table, or folders in which such files are looked for."""
        listing = self.index.listing(str(folder))
        has_file = any(name.lower().endswith((*READERS, ".json", ".parquet")) for name in listing.named)
        return has_file or any(name == "data" or split_of(name) for name in listing.folders)

    def _may_be_class(self, folder: Path, inner: Path) -> bool:
        """Whether images lie in a folder itself, and in others beside it, as in folders of classes."""
        with_images = [
            name for name in self._subfolders(folder) if imagefolder.images_in(self.index.listing(str(folder / name)))
        ]
        return inner.name in with_images and len(with_images) > 1

    def _subfolders(self, folder: Path) -> list[str]:
        return self.index.subfolders(self.index.listing(str(folder)))

    def _read_found(self, files: Mapping[str, Path], folder: Path) -> list[RawSplit]:
        splits = read_tables(files, folder, self.trial)
        names = {split: os.path.relpath(file, folder) for split, file in files.items()}
        what = "it is read as the training table, the only one of the folder"
        if len(files) > 1 or "train" not in files:
            what = f"the tables are {', '.join(f'{name} ({split})' for split, name in names.items())} (data.tables)"
        return with_inferred(splits, {"data.tables": names}, what)

    def _only_folder(self, folder: Path) -> Path | None:
        """The only folder in a folder without images, if it has no images of its own, but folders with images."""
        listing = self.index.listing(str(folder))
        names = self.index.subfolders(listing)
        if len(names) != 1 or split_of(names[0]) is not None or imagefolder.images_in(listing):
            return None
        inner = self.index.listing(str(folder / names[0]))
        return None if imagefolder.images_in(inner) else folder / names[0]

    def _moved(self, splits: list[RawSplit], folder: Path, inner: Path) -> list[RawSplit]:
        """The splits of a folder inside that of the source, with a line for the log."""
        note = f"the data set lies in {os.path.relpath(inner, folder)}/ (data.source)"
        return with_inferred(splits, {"data.source": str(Path(self.data.source) / inner.name)}, note)
