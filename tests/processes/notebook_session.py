"""What a notebook does: several trainings from one process, by `accelerate.notebook_launcher`.

notebook_session.py PROCESSES=JOB ...: a job of `recorded_steps` on each number of processes. One process comes last: it
runs in this one, after which Accelerate starts no others from here.
"""

import sys

import real_runs as runs
import recorded_steps
from accelerate import notebook_launcher

if __name__ == "__main__":
    for argument in sys.argv[1:]:
        processes, job = argument.split("=", 1)
        notebook_launcher(recorded_steps.record, (job,), num_processes=int(processes), use_port=str(runs.free_port()))
