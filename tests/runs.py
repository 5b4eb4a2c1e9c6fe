"""Real runs for tests: a small data set on disk, a config, and processes that train it."""

import contextlib
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import psutil
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
SMALL_RUN = HERE / "small_run.py"
CLASSES = ("circle", "line", "square")
LABELS = ("big", "red", "left")


def write_source(folder: Path, num_train: int, num_validation: int, size: int = 32, blanks: bool = True) -> Path:
    """A Kaggle-style folder of drawn shapes; with `blanks`, every seventh class and fifth "red" is unlabelled."""
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
                if blanks and index % 7 == 0:
                    row[1] = ""
                if blanks and index % 5 == 0:
                    row[3] = ""
                writer.writerow(row)
    return folder


def _draw(shape: int, labels: list[int], size: int, numbers: random.Random) -> Image.Image:
    big, red, left = labels
    picture = Image.effect_noise((size, size), 40).convert("RGB")
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


def start(
    config: Path,
    *arguments: str,
    processes: int = 1,
    script: Path = SMALL_RUN,
    launcher: str = "accelerate",
    **variables,
) -> subprocess.Popen:
    """Start a run; one process without a launcher, several with "accelerate" or "torchrun"."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", **variables}
    environment["PYTHONPATH"] = f"{HERE}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    command = [sys.executable]
    if processes > 1 and launcher == "accelerate":
        command += ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        command += ["--main_process_port", "0"]
    elif processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += [str(script), "--config", str(config), *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen, timeout_seconds: float = 300) -> tuple[int, str]:
    """Wait for a run: its exit code and what it printed."""
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
    finally:
        kill_tree(process)
    return process.returncode, output


def run(config: Path, *arguments: str, processes: int = 1, **options) -> str:
    """A run that must end well."""
    code, output = finish(start(config, *arguments, processes=processes, **options))
    assert code == 0, output
    return output


def kill_tree(process: subprocess.Popen) -> None:
    """SIGKILL a launcher and every process below it that is still alive."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        for member in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


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


def status(config: Path) -> dict:
    return json.loads((run_dir(config) / "status.json").read_text())
