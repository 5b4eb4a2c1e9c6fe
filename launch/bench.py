"""Measure how fast a config trains here: python launch/bench.py --config configs/v5.json [--KEY VALUE ...]

It prints one table, and the same figures as one JSON object on the last line.
"""

import sys

from mtl_accel.cli.commands import bench

if __name__ == "__main__":
    sys.exit(bench.main(None, "launch/bench.py", __doc__))
