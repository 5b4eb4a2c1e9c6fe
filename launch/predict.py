"""Predict a split: accelerate launch launch/predict.py --run runs/v5 --output predictions/v5 [--data.KEY VALUE ...]

Writes predictions.parquet and one submission a task. Other data than the run's own is named as in a config, such as
--data.source my_photos; it needs no labels.
"""

import sys

from mtl_accel.cli.commands import predict

if __name__ == "__main__":
    sys.exit(predict.main(None, "predict.py", __doc__))
