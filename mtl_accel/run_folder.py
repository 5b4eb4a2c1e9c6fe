"""The run folder before a run: made, emptied or kept, and the checkpoint in it that a run goes on from."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import checkpoint, durable
from .checkpoint import Checkpoint
from .data.mapped import cache_dir as cache_dir
from .errors import UserError
from .ownership import LOCK

_OURS = frozenset({"config.json", "status.json", "log.jsonl", "checkpoints"})


def prepare(run_dir: Path, resume: str, overwrite: bool) -> None:
    """Empty the folder, or see that what lies in it may be gone on with. On the main process, under the lock.

    Raises:
        UserError: the folder holds a finished run, a run that is not to be resumed, or something else.
    """
    there = {path.name for path in run_dir.iterdir()} - {LOCK}
    if not there:
        return
    if not there & _OURS:
        raise UserError(f"run_dir: {run_dir} holds {sorted(there)[:3]} and no run; choose an empty or a new folder")
    if overwrite:
        for path in run_dir.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
    elif resume == "none":
        raise UserError(f"run_dir: {run_dir} holds a run already; give --overwrite to replace it, or another run_dir")
    elif resume == "auto" and _status(run_dir) == "finished":
        raise UserError(
            f"run_dir: {run_dir} holds a finished run; give --overwrite to replace it, another run_dir, or "
            f"--resume {run_dir} --resume.allow_changes with more epochs to train it longer"
        )


def _status(run_dir: Path) -> str | None:
    path = run_dir / "status.json"
    return durable.read_json(path).get("status") if path.exists() else None


def find_checkpoint(run_dir: Path, resume: str) -> Checkpoint | None:
    """The checkpoint to go on from: None for a start from the beginning.

    Raises:
        UserError: a folder was named and holds none, or none that is whole.
    """
    if resume == "none":
        return None
    folder = run_dir if resume == "auto" else Path(resume).expanduser()
    found = checkpoint.load(folder / "checkpoints") if (folder / "checkpoints").is_dir() else None
    if found is None and resume != "auto":
        raise UserError(f"--resume: {folder} holds no checkpoint; give a run folder that has checkpoints/last")
    return found
