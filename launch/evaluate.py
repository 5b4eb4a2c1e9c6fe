"""Score a run's model: python launch/evaluate.py --run runs/v5 --split validation [--data.source my_photos]

It prints every metric with its 95% interval, and writes the same and more to evaluation-SPLIT.json.
"""

import sys

from mtl_accel.cli.commands import evaluate

if __name__ == "__main__":
    sys.exit(evaluate.main(None, "evaluate.py", __doc__))
