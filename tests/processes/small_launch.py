"""A launcher of runs for tests, as `accelerate launch` is one: it knows the small pairs and runs the script given."""

import os
import runpy
import sys

os.environ["OMP_NUM_THREADS"] = "1"

import small_run

from mtl_accel import models

if __name__ == "__main__":
    models.MODELS |= {"small": small_run.Small, "without": small_run.Without, "deep": small_run.Deep}
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
