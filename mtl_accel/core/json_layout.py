"""JSON as the text of a file that people read: what fits into a line stands on one."""

from __future__ import annotations

import json
from typing import Any

_WIDTH = 120


def format_json(value: Any, indent: int = 0, key: str = "") -> str:
    """Format a value of JSON, with each object and list on one line where it fits, and no line at its end.

    Args:
        indent: spaces before the line.
        key: what stands before the value, such as '"data": '.
    """
    line = json.dumps(value, ensure_ascii=False)
    is_short = indent > 0 and indent + len(key) + len(line) < _WIDTH  # with a comma
    if is_short or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        keys = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value]
        entries = [name + format_json(v, indent + 2, name) for name, v in zip(keys, value.values(), strict=True)]
        left, right = "{", "}"
    else:
        entries, (left, right) = [format_json(v, indent + 2) for v in value], "[]"
    separator = ",\n" + inner
    return f"{left}\n{inner}{separator.join(entries)}\n{' ' * indent}{right}"
