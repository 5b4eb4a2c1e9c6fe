"""Run many configs: python launch/sweep.py --config configs/v4.json --config configs/v5.json --seeds 0,1,2 --output DIR

Every run has a process and a folder of its own. The same command continues where a sweep stopped. Any other option is a
knob of every run, such as --epochs 2.
"""

import sys
from pathlib import Path

from mtl_accel.cli.commands import sweep

if __name__ == "__main__":
    sys.exit(sweep.main(None, "sweep.py", __doc__, [str(Path(__file__).with_name("train.py"))]))
