"""Find a learning rate by a range test: python launch/find_lr.py --config configs/v5.json [--KEY VALUE ...]

It trains for some steps with a rate that rises, draws the losses, and prints the rate to give on the command line.
"""

import sys

from mtl_accel.cli.commands import find_lr

if __name__ == "__main__":
    sys.exit(find_lr.main(None, "launch/find_lr.py", __doc__))
