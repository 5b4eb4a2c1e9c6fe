"""Write a config to start from: mtl-accel init v5 --output config.json [--KEY VALUE ...]

The name is that of a shipped config, as mtl-accel config list shows them, or the file of another one. Without a name
the config is guessed from the data: mtl-accel init --data.source my_photos.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mtl_accel

from ...config import parse_overrides, read_config, read_data_config, read_json
from ...config.files.shipped import find_config, shipped_configs
from ...config.merging import apply_overrides
from ...core import atomic_io
from ...core.control_characters import one_line
from ...core.errors import UserError
from ...core.json_layout import format_json
from ..console import run_command

# What a shipped config says of its own start.
_STARTED_BY = re.compile(r"accelerate launch launch/train\.py --config \S+")


def _init(options: argparse.Namespace, rest: list[str], name: str | None) -> int:
    path: Path = options.output
    if path.exists() and (path.is_dir() or not options.overwrite):
        raise UserError(f"--output: {path} exists; give the name of a new file, or --overwrite to replace a file")
    raw = _guessed(rest, path) if name is None else _shipped(name, rest, path)
    with atomic_io.storage_errors(path):
        atomic_io.make_folder(path.parent)
        atomic_io.write_bytes(path, f"{format_json(dict(raw))}\n".encode())
    print(f"config: {path}")
    print(f"look the data over: mtl-accel doctor --config {path}")
    print(f"train: mtl-accel train --config {path}")
    return 0


def _shipped(name: str, rest: Sequence[str], path: Path) -> Mapping[str, Any]:
    """The content of a config, with knobs of the command line, that a file at the path may have."""
    file, given = find_config(name), parse_overrides(rest)
    config = read_config(file, given)
    raw = read_json(file)
    apply_overrides(raw, given)
    raw.pop("$schema", None)  # it is relative to the file that was read
    if config.description:
        raw["description"] = _STARTED_BY.sub(f"mtl-accel train --config {path}", config.description)
    return raw


def _guessed(rest: Sequence[str], path: Path) -> Mapping[str, Any]:
    if not rest:
        raise UserError(
            "give the name of a config or the place of your data: mtl-accel init v5, or mtl-accel init --data.source "
            f"my_photos; the names are {', '.join(shipped_configs())}"
        )
    suggestion = mtl_accel.suggest_config(read_data_config(rest), path)
    for line in suggestion.notes:
        print(one_line(f"suggested: {line}"), flush=True)
    return suggestion.raw


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel init", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Not by the parser, which would take the value of a knob for the name.
    name = words.pop(0) if words and not words[0].startswith("-") else None
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} [NAME] [--output FILE] [--overwrite] [--KEY VALUE ...]",
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("config.json"), help="file to write; default: config.json")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    return run_command(parser, functools.partial(_init, name=name), words)
