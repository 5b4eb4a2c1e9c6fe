"""A small config that is right, for tests that change one thing of it."""

from __future__ import annotations

import json
from typing import Any

SMALL: dict[str, Any] = {
    "tasks": {"category": {"kind": "multiclass", "column": "category"}},
    "transforms": {
        "train": [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}],
        "eval": [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}],
    },
    "optimizer": {"name": "Adam"},
}


def small(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(SMALL)), **changes}
