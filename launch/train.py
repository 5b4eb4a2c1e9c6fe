"""Train a config: accelerate launch launch/train.py --config configs/v5.json [--KEY VALUE ...]"""

import sys

from mtl_accel.cli.commands import train

if __name__ == "__main__":
    sys.exit(train.main(None, "launch/train.py", __doc__))
