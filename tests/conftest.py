"""Before any test imports torch: one thread a process, since several share two cores."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
