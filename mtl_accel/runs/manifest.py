"""The list of a folder's files with sizes and hashes, written last and checked before anything else is opened."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

NAME = "manifest.json"

_FORMAT = 1
_CHUNK_BYTES = 1 << 20

# No separators, no leading dot: a manifest cannot point out of its folder.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def write(folder: Path) -> None:
    """Write the manifest of all files that are in the folder now."""
    files = {path.name: _describe(path) for path in sorted(folder.iterdir())}
    (folder / NAME).write_bytes(_encode(files))


def file_names(folder: Path) -> list[str]:
    """List the files that the manifest names."""
    return list(json.loads((folder / NAME).read_bytes())["files"])


def find_damage(folder: Path) -> str | None:
    """Find why a folder is not whole; None when every byte that the manifest covers is as it was written.

    Other files are neither opened nor counted.
    """
    try:
        if not _is_file(folder / NAME):
            return f"{NAME} is no plain file"
        raw = (folder / NAME).read_bytes()
        files = json.loads(raw)["files"]
        # Encoded again it must be the same bytes, so that no damage to the manifest itself passes.
        if _encode(files) != raw:
            return f"{NAME} is not as it was written"
        for name, written in files.items():
            if not _PLAIN_NAME.fullmatch(name) or not _is_file(folder / name):
                return f"{name} is no plain file"
            if (found := _describe(folder / name)) != written:
                return f"{name} is not as it was written: {found} now, {written} then"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"{NAME} cannot be read: {error}"
    except OSError as error:
        return str(error)
    return None


def _is_file(path: Path) -> bool:
    """Whether it is a plain file: no link, which may lead out of the folder, and no pipe, which would block us."""
    return stat.S_ISREG(path.lstat().st_mode)


def _describe(path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            size += count
    return {"bytes": size, "sha256": digest.hexdigest()}


def _encode(files: Any) -> bytes:
    return (json.dumps({"format": _FORMAT, "files": files}, indent=1) + "\n").encode()
