"""A report of real runs for tests, made once: classes, labels, folders and messages are what nobody should trust."""

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import real_runs
import report_folders
from small_run import Small

from mtl_accel import models
from mtl_accel.report import write_report

CLASSES = ("<script>alert(1)</script>", "=1+1", 'it\'s & "so"')
LABELS = ('<img src=x onerror="alert(2)">', "red", "left")
FOLDER = "<script>alert(3)"
MESSAGE = "<b>bold</b> and ${HOME}"


class Made(NamedTuple):
    """Two runs that have finished and one that failed, their data, and the page about them."""

    runs: list[Path]
    source: Path
    page: Path


@functools.cache
def make(folder: Path) -> Made:
    """Once in a session, in a folder that is not there yet: training and its process take seconds."""
    source = real_runs.write_source(folder / "source", 24, 16)
    for table in source.glob("*.csv"):
        text = table.read_text()
        for plain, hostile in zip((*real_runs.CLASSES, *real_runs.LABELS), (*CLASSES, *LABELS), strict=True):
            text = text.replace(f",{plain}", ',"' + hostile.replace('"', '""') + '"')
        table.write_text(text)
    runs = [folder / "runs" / name for name in ("v1", FOLDER)]
    other = {"name": "SGD", "lr": 0.01, "momentum": 0.5}
    watched = {"conflict_every_steps": 2, "balancing": {"name": "uncertainty"}, "description": MESSAGE}
    first = real_runs.write_config(folder / "a.json", source, run_dir=str(runs[0]), **watched)
    second = real_runs.write_config(folder / "b.json", source, run_dir=str(runs[1]), optimizer=other)
    real_runs.run(first, "--also", str(second))
    failed = report_folders.write(folder / "runs" / "failed", report_folders.config(), status="failed", message=MESSAGE)
    page = folder / "page" / "report.html"
    with with_small_pair():
        write_report([*runs, failed], page)
    return Made([*runs, failed], source, page)


@contextmanager
def with_small_pair() -> Iterator[None]:
    """The pair of these runs is known inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "small", Small)
        yield


def copy(made: Made, folder: Path) -> Made:
    """The same runs and data to change."""
    shutil.copytree(made.source, folder / "source")
    runs = [Path(shutil.copytree(run, folder / "runs" / run.name)) for run in made.runs]
    for run in runs[:2]:
        config = json.loads((run / "config.json").read_text())
        config["data"] |= {"source": str(folder / "source"), "cache_dir": str(folder / "cache")}
        (run / "config.json").write_text(json.dumps(config))
    return Made(runs, folder / "source", folder / "report.html")
