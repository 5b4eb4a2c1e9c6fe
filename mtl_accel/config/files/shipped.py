"""The shipped configs, which come with the package, by their names, such as "v5" and "small/best".

They lie beside the package in the source tree, and inside it in an installation.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from ...core.errors import UserError
from ..knobs import did_you_mean

_NO_CONFIGS = ("schema", "variants")  # of the entries of the folder


def shipped_folder() -> Path:
    """The folder that holds them."""
    package = Path(str(importlib.resources.files(__package__.partition(".")[0])))
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def shipped_configs() -> dict[str, Path]:
    """The files by the names of the configs, in alphabetical order, those of folders last."""
    folder = shipped_folder()
    files = sorted(folder.glob("**/*.json"), key=lambda path: (len(path.parts), path))
    names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}
    return {name: path for name, path in names.items() if name.partition("/")[0] not in _NO_CONFIGS}


def find_config(name: str | Path) -> Path:
    """Return the path of a config file: the one that is given, if there is such a file, else the one of that name.

    Raises:
        UserError: a name that no config has. A path of a file that is not there is returned as it is.
    """
    path = Path(name)
    if path.suffix or path.is_file():
        return path
    shipped = shipped_configs()
    if found := shipped.get(path.as_posix()):
        return found
    raise UserError(
        f"{name}: neither a file nor one of the shipped configs, which are {', '.join(shipped)}"
        f"{did_you_mean(str(name), shipped)}"
    )
