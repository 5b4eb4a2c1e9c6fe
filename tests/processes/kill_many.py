"""Kill a training run again and again, at random moments, and see that nothing is lost.

python tests/processes/kill_many.py 100 [PROCESSES] prints how often the run was killed, resumed and finished, and
whether its weights and the metrics of every epoch equal those of a run that was left alone.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import real_runs as runs

NUM_TRAIN, STEPS = 157, 20  # images, and steps of an epoch
EPOCHS_PER_KILL = 2  # a run is killed well before it gets so far, so that every kill finds it at work


def last_step(config: Path) -> int:
    """The step of checkpoints/last; 0 when there is none."""
    link = runs.run_dir(config) / "checkpoints" / "last"
    return int(link.readlink().name.split("-")[1].split(".")[0]) if link.is_symlink() else 0


def resumes_at(step: int, output: str) -> bool:
    """Whether a start went on from a step; the very first start has none to go on from."""
    return step > 0 and f"resuming at epoch {step // STEPS + 1}, step {step % STEPS + 1}" in output


def kill_once(config: Path, processes: int, numbers: random.Random) -> tuple[bool, str]:
    """Start or resume a run and kill its whole tree a moment after its first new checkpoint.

    Returns whether it was still at work, and what it printed.
    """
    before = last_step(config)
    process = runs.start(config, processes=processes)
    while last_step(config) == before and process.alive():
        time.sleep(0.005)
    time.sleep(numbers.uniform(0, 0.5))
    alive = process.alive()
    process.kill()
    return alive, process.output()


def kill_many(folder: Path, kills: int, worlds: list[int], seed: int = 0, **knobs: object) -> dict[str, object]:
    """Kill a run `kills` times, on the numbers of processes in turn, let it finish, and compare its weights."""
    numbers = random.Random(seed)
    source = runs.write_source(folder / "source", num_train=NUM_TRAIN, num_validation=13)
    changes = {"epochs": (kills + 1) * EPOCHS_PER_KILL, "checkpoint_every_steps": 1, "scheduler": None, **knobs}
    alone = runs.write_config(folder / "alone" / "c.json", source, **changes)
    killed = runs.write_config(folder / "killed" / "c.json", source, **changes)
    counts = {"kills": 0, "resumes": 0, "steps_lost": 0}
    while counts["kills"] < kills:
        before = last_step(killed)
        alive, output = kill_once(killed, worlds[counts["kills"] % len(worlds)], numbers)
        if not alive:
            raise RuntimeError(f"the run ended by itself after {counts['kills']} kills:\n{output}")
        counts["kills"] += 1
        counts["resumes"] += resumes_at(before, output)
        counts["steps_lost"] += max(before - last_step(killed), 0)
    before = last_step(killed)
    counts["resumes"] += resumes_at(before, runs.run(killed, processes=worlds[counts["kills"] % len(worlds)]))
    runs.run(alone)
    equal = runs.digest(killed) == runs.digest(alone) and runs.epochs(killed) == runs.epochs(alone)
    return {**counts, "finished": runs.status(killed)["status"], "equal": equal}


if __name__ == "__main__":
    how_many, *process_counts = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory() as temporary:
        print(kill_many(Path(temporary), how_many, process_counts or [1]))
