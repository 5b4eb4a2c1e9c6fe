"""Export a finished model: mtl-accel export --run runs/v5 --format onnx [--output FILE] [--push-to-hub REPO]

Pictures of the run's data check it; where they lie now is named as in a config, such as --data.source my_photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mtl_accel

from ...config import read_run_config
from ...exporting import FORMATS
from ..console import run_command


def _export(options: argparse.Namespace, rest: list[str]) -> int:
    done = mtl_accel.export(**vars(options), config=read_run_config(options.run, rest))
    print(f"{done.path}: differs by at most {done.difference:.2g} from the run's model, on {done.checked_on}")
    print(f"{done.card}: the model card")
    if done.url:
        print(f"{done.url}: uploaded")
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel export", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--format", choices=FORMATS, required=True, help="onnx, torch: a file; safetensors: a folder")
    parser.add_argument("--output", type=Path, help="the file, or the folder of safetensors; left out: in RUN/model")
    parser.add_argument("--push-to-hub", metavar="REPO", help="upload RUN/model, with the export in it, to owner/name")
    parser.add_argument("--private", action="store_true", help="if the repository is made, make it a private one")
    return run_command(parser, _export, arguments)
