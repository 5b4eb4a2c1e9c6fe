"""Any source of images and labels as a `DatasetDict` of train, validation and test.

Every split has the columns `id` (text, unique in its split), `image` (undecoded: `datasets.Image(decode=False)`),
and the source's labels under their own names. Cells of CSVs are text, an empty one is None; class numbers of
`datasets.ClassLabel` become class names, so that no class depends on the order of folders.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from datasets import DatasetDict

from ..errors import UserError
from . import kaggle
from .paths import ImageFinder, stamps
from .splits import choose_columns, normalise

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """The splits of a source, and how it named their columns.

    `id_column` is the source's own name of the column `id`; None: there was none, and the row number is the id.
    `fingerprint` changes when a table or an image file does. `folder` is the data folder's real path, None for a
    data set of the Hub.
    """

    splits: DatasetDict
    image_column: str
    id_column: str | None
    fingerprint: str
    folder: Path | None


def load(
    source: str,
    *,
    config_name: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
    image_column: str | None = None,
    id_column: str | None = None,
    max_images: int | None = None,
) -> Sources:
    folder = Path(source).expanduser().resolve()
    raw = kaggle.read(folder)
    finder = ImageFinder((folder,))
    columns = choose_columns(raw[0], image_column, id_column)
    tables, files, problems = {}, {}, []
    for split in raw:
        try:
            tables[split.name], files[split.name] = normalise(split, columns, finder)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    state = [{split.name: [split.key, stamps(files[split.name], folder)] for split in raw}, columns.image, columns.id]
    if max_images is not None:
        tables = {name: table.select(range(min(max_images, len(table)))) for name, table in tables.items()}
    fingerprint = hashlib.blake2b(json.dumps([state, max_images]).encode(), digest_size=16).hexdigest()
    return Sources(DatasetDict(tables), columns.image, columns.id, fingerprint, folder)
