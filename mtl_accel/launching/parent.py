"""Messages of processes for the one that has started them, which prints them once all have ended: they come last."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

_FOLDER = "MTL_ACCEL_MESSAGES"  # variable of the environment


def variables(folder: Path) -> dict[str, str]:
    """Variables for processes whose messages go into a folder."""
    return {_FOLDER: str(folder)}


def hand_over(lines: Sequence[str]) -> bool:
    """Leave messages to the parent; returns whether there is one that waits for them."""
    folder = Path(os.environ.get(_FOLDER, ""))
    if _FOLDER not in os.environ or not folder.is_dir():
        return False
    (folder / f"messages-{int(os.environ.get('RANK', 0)):06}.json").write_text(
        json.dumps(list(lines)), encoding="utf-8"
    )
    return True


def handed_over(folder: Path) -> list[str]:
    """Messages of all processes, in their order, each of them once."""
    files = sorted(folder.glob("messages-*.json"))
    return list(dict.fromkeys(line for file in files for line in json.loads(file.read_text(encoding="utf-8"))))
