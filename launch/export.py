"""Export a finished model: python launch/export.py --run runs/v5 --format onnx [--output FILE]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mtl_accel
from mtl_accel import console
from mtl_accel.config import run_config
from mtl_accel.exporting import hub
from mtl_accel.exporting.export import FORMATS


def main(options: argparse.Namespace, rest: list[str]) -> int:
    config = run_config(options.run, rest)
    if options.push_to_hub:
        hub.check(options.push_to_hub, options.output)
    done = mtl_accel.export(options.run, options.format, options.output, config=config, repo=options.push_to_hub)
    print(f"{done.path}: differs by at most {done.difference:.2g} from the run's model, on {done.checked_on}")
    print(f"{done.card}: the model card")
    if options.push_to_hub:
        print(hub.push(done.card.parent, options.push_to_hub, private=options.private))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument(
        "--format", choices=FORMATS, required=True, help="onnx and torch: one file; safetensors: a folder"
    )
    parser.add_argument("--output", type=Path, help="the file, or the folder of safetensors; left out: in RUN/model")
    parser.add_argument("--push-to-hub", metavar="REPO", help="upload RUN/model, with the export in it, to owner/name")
    parser.add_argument("--private", action="store_true", help="if the repository is made, make it a private one")
    parsed = parser.parse_known_args()
    sys.exit(console.told(lambda: main(*parsed)))
