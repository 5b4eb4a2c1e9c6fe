"""Real runs for tests: a small data set on disk, a config, and processes that train it."""

import contextlib
import csv
import hashlib
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import small_run
from PIL import Image, ImageDraw

# Several processes share two cores. It must be set before the process that the runs fork from imports torch.
os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).parents[2]  # of the repository
SMALL_RUN = Path(small_run.__file__)
CLASSES = ("circle", "line", "square")
LABELS = ("big", "red", "left")

FIXED = [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}]
# The weights stay what they are, and nothing is random: each logged loss can be computed from the logits afterwards.
STILL = {
    "epochs": 1,
    "optimizer": {"name": "SGD", "lr": 1e-30},
    "model": {"name": "without"},
    "transforms": {"train": FIXED, "eval": FIXED},
}


def write_source(folder: Path, num_train: int, num_validation: int, size: int = 32, labelled_every: int = 1) -> Path:
    """A Kaggle-style folder of drawn shapes.

    Every seventh class and fifth "red" is unlabelled; with `labelled_every` n, so are all classes but each nth.
    """
    numbers = random.Random(0)
    for split, count in (("train", num_train), ("val", num_validation)):
        (folder / split).mkdir(parents=True)
        with (folder / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", "category", *LABELS])
            for index in range(count):
                shape, labels = numbers.randrange(3), [numbers.randrange(2) for _ in LABELS]
                _draw(shape, labels, size, numbers).save(folder / split / f"{index}.png")
                row: list[str | int] = [f"{index}.png", CLASSES[shape], *labels]
                if index % 7 == 3 or index % labelled_every:
                    row[1] = ""
                if index % 5 == 0:
                    row[3] = ""
                writer.writerow(row)
    return folder


def _draw(shape: int, labels: list[int], size: int, numbers: random.Random) -> Image.Image:
    big, red, left = labels
    picture = Image.frombytes("L", (size, size), numbers.randbytes(size * size)).convert("RGB")
    radius = size // 4 if big else size // 7
    x, y = size // 4 if left else size * 3 // 4, numbers.randrange(size // 4, size * 3 // 4)
    box = (x - radius, y - radius, x + radius, y + radius)
    colour = (220, 30, 30) if red else (30, numbers.randrange(256), 220)
    pen = ImageDraw.Draw(picture)
    [pen.ellipse, lambda b, fill: pen.line(b, fill=fill, width=3), pen.rectangle][shape](box, fill=colour)
    return picture


def write_config(path: Path, source: Path, **changes) -> Path:
    """A config of the small pair on that source, with any of its keys changed."""
    config = {
        "run_dir": str(path.parent / "run"),
        "epochs": 2,
        "batch_size": 8,
        "micro_batch_size": 4,
        "mixed_precision": "no",  # null is the faster one, and so another one on another machine
        "data": {"source": str(source), "cache_dir": str(source / "cache"), "num_workers": 0},
        "tasks": {"category": {"kind": "multiclass", "column": "category"}, "attribute": {"kind": "multilabel"}},
        "model": {"name": "small"},
        "transforms": {
            "train": [
                {"name": "Resize", "size": [32, 32]},
                {"name": "RandomHorizontalFlip"},
                {"name": "ColorJitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.1, "hue": 0.1},
                {"name": "RandomRotation", "degrees": [-20, 20]},
                {"name": "Normalize"},
            ],
            "eval": [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}],
        },
        "optimizer": {"name": "AdamW", "lr": 0.003},
        "scheduler": {"name": "StepLR", "step_size": 1, "gamma": 0.5},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config | changes))
    return path


class Processes:
    """The processes of a run, or its launcher, and the file that they print into."""

    def __init__(self, members: Sequence[subprocess.Popen | BaseProcess], printed: Path) -> None:
        self.members, self.printed = members, printed
        self.pid = members[0].pid

    def codes(self) -> list[int | None]:
        return [m.poll() if isinstance(m, subprocess.Popen) else m.exitcode for m in self.members]

    def alive(self) -> bool:
        return None in self.codes()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def output(self) -> str:
        return self.printed.read_text()

    def kill(self) -> None:
        """SIGKILL every process of the run, those below a launcher too."""
        for member in self.members:
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(member.pid)
                for process in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            member.wait() if isinstance(member, subprocess.Popen) else member.join()


def start(
    config: Path, *arguments: str, processes: int = 1, launcher: str | None = None, **variables: str
) -> Processes:
    """Start a run: by "python", "accelerate" or "torchrun", or else as forks of a process that imported all of it.

    Importing takes several seconds of each process; the forks are processes like any others.
    """
    config.parent.mkdir(parents=True, exist_ok=True)
    printed = Path(tempfile.mkstemp(dir=config.parent, prefix="printed-")[1])
    environment = {"ACCELERATE_USE_CPU": "true", **variables}
    command = [str(SMALL_RUN), "--config", str(config), *arguments]
    if launcher is not None:
        command = [sys.executable, *_LAUNCHERS[launcher](processes), *command]
        with printed.open("w") as out:
            whole = {**os.environ, **environment}
            return Processes([subprocess.Popen(command, env=whole, stdout=out, stderr=out)], printed)
    return fork(small_run.main, command, environment, printed, processes)


def fork(
    main: Callable[..., None], command: list[str], environment: dict[str, str], printed: Path, processes: int
) -> Processes:
    """Start a script's main function in each of several processes that find one another."""
    if processes > 1:
        environment |= {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    members = []
    for rank in range(processes):
        own = environment | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {})
        members.append(_FORKS.Process(target=main, args=(command, own, printed)))
        members[-1].start()
    return Processes(members, printed)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _accelerate(processes: int) -> list[str]:
    several = ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return ["-m", "accelerate.commands.launch", "--num_processes", str(processes), "--main_process_port", "0", *several]


def torchrun(processes: int) -> list[str]:
    return ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]


_LAUNCHERS = {"python": lambda processes: [], "accelerate": _accelerate, "torchrun": torchrun}
_FORKS = multiprocessing.get_context("forkserver")
# Not small_run: before Python 3.12 the process that is forked does not know the folder of the tests.
_FORKS.set_forkserver_preload(["mtl_accel.training.train", "mtl_accel.metrics.measuring"])


def finish(started: Processes, timeout_seconds: float = 300) -> tuple[int, str]:
    """Wait for a run: the first exit code that is not 0, and what it printed."""
    deadline = time.monotonic() + timeout_seconds
    try:
        while started.alive():
            assert time.monotonic() < deadline, f"still at work after {timeout_seconds} s:\n{started.output()}"
            time.sleep(0.02)
    finally:
        started.kill()
    return next((code for code in started.codes() if code), 0), started.output()


def run(config: Path, *arguments: str, **options) -> str:
    """A run that must end well."""
    code, output = finish(start(config, *arguments, **options))
    assert code == 0, output
    return output


def run_dir(config: Path) -> Path:
    return Path(json.loads(config.read_text())["run_dir"])


def digest(config: Path) -> str:
    """The hash of the finished model's weights."""
    return hashlib.sha256((run_dir(config) / "model" / "model.safetensors").read_bytes()).hexdigest()


def trace(config: Path) -> list[dict]:
    """The steps of a run with TRACE set, each with its micro-batches in their global order."""
    files = sorted(run_dir(config).glob("trace*.jsonl"))
    ranks = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    steps = []
    for rows in zip(*ranks, strict=True):
        assert {row["world"] for row in rows} == {len(files)}
        whole = {key: rows[0][key] for key in ("epoch", "step", "losses")}
        steps.append(whole | {key: [part for row in rows for part in row[key]] for key in ("ids", "parameters")})
    return steps


def epochs(config: Path) -> list[dict]:
    """The epoch rows of log.jsonl, without what depends on the machine's speed."""
    rows = [json.loads(line) for line in (run_dir(config) / "log.jsonl").read_text().splitlines()]
    kept = [row for row in rows if row["event"] == "epoch"]
    return [{key: row[key] for key in ("epoch", "train", "validation", "lr")} for row in kept]


def end_of(config: Path) -> dict:
    """The last row of log.jsonl."""
    return json.loads((run_dir(config) / "log.jsonl").read_text().splitlines()[-1])


def status(config: Path) -> dict:
    return json.loads((run_dir(config) / "status.json").read_text())
