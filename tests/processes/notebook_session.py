"""What a notebook does: several trainings from one process, by `accelerate.notebook_launcher`.

notebook_session.py PROCESSES=JOB ...: a job of `recorded_steps` on each number of processes. One process comes last: it
runs in this one, after which Accelerate starts no others from here.
"""

import socket
import sys

import recorded_steps
from accelerate import notebook_launcher


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        processes, job = argument.split("=", 1)
        notebook_launcher(recorded_steps.record, (job,), num_processes=int(processes), use_port=free_port())
