"""The command `mtl-accel` as a module: python -m mtl_accel COMMAND, or accelerate launch -m mtl_accel COMMAND."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
