"""The run folder before a run: created, emptied or kept, and the checkpoint to resume from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..core import atomic_io
from ..core.errors import UserError
from . import checkpoint, manifest, rows
from .checkpoint import Checkpoint
from .lock import LOCK_FILES

_STATUS = "status.json"
_RUN_FILES = frozenset({_STATUS, "log.jsonl", "checkpoints"})  # not config.json: other programs have one, too


def prepare_run_folder(run_dir: Path, resume: str, overwrite: bool) -> None:
    """Empty the folder, or check that the run in it can be resumed. On the main process, under the lock.

    Raises:
        UserError: the folder holds a finished run, a run that is not to be resumed, or something else.
    """
    names = {path.name for path in run_dir.iterdir()} - set(LOCK_FILES)
    if not names:
        return
    if not names & _RUN_FILES:
        raise UserError(f"run_dir: {run_dir} holds {sorted(names)[:3]} and no run; choose an empty or a new folder")
    if not overwrite:
        rows.read_log(run_dir / "log.jsonl")  # to be continued: what no run wrote is an error now, not after an epoch
    is_named = resume not in ("auto", "none")
    is_source = is_named and Path(resume).expanduser().resolve() == run_dir.resolve()
    if overwrite:
        _require_deletable(run_dir, names, is_source)
        for path in run_dir.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in LOCK_FILES:
                path.unlink()
    elif resume == "none":
        raise UserError(f"run_dir: {run_dir} holds a run already; give --overwrite to replace it, or another run_dir")
    elif resume == "auto" and _status(run_dir) == "finished":
        raise UserError(
            f"run_dir: {run_dir} holds a finished run; give --overwrite to replace it, another run_dir, or "
            f"--resume {run_dir} --resume.allow_changes with more epochs to train it longer"
        )
    elif is_named and not is_source and (run_dir / "checkpoints" / checkpoint.LAST).exists():
        raise UserError(
            f"run_dir: {run_dir} holds a run that has checkpoints of its own; leave out --resume to resume it, or "
            f"give --overwrite to resume {resume} in its place"
        )


def _require_deletable(run_dir: Path, names: set[str], is_source: bool) -> None:
    """Check that --overwrite may empty the folder.

    Raises:
        UserError: it holds no run, or the run that is to be resumed.
    """
    if _STATUS not in names:
        raise UserError(
            f"run_dir: {run_dir} holds {sorted(names)[:3]} and no {_STATUS}, which each run has, so --overwrite does "
            "not empty it; choose another run_dir, or delete it yourself"
        )
    if is_source:
        raise UserError(f"--overwrite: {run_dir} is also the run to --resume; leave out one of the two")


def _status(run_dir: Path) -> str:
    return rows.read_object(rows.Status, run_dir / _STATUS).status


def find_checkpoint(run_dir: Path, resume: str) -> Checkpoint | None:
    """Load the checkpoint to resume from; None for a start from the beginning.

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


def copy_best(saved: Checkpoint, run_dir: Path) -> None:
    """Copy the best epoch's checkpoint of the run that `saved` comes from: no later epoch may be better.

    On the main process. Nothing is copied where that run has none, or is this one.

    Raises:
        UserError: no space, a disk that refuses, or a best checkpoint that is damaged.
    """
    link, root = saved.folder.parent / checkpoint.BEST, run_dir / "checkpoints"
    best = atomic_io.follow_link(link)
    if not best.is_dir() or (root / checkpoint.BEST).exists():
        return
    if best.parent != Path(os.path.realpath(link.parent)) or not checkpoint.is_name(best.name):
        raise UserError(f"{link}: leads to {best}, which is no checkpoint beside it; restore the link, or remove it")
    with atomic_io.storage_errors(root):
        with atomic_io.replace_folder(root / best.name) as folder:
            # The files of the manifest and no others, once it is known that they are plain files and whole.
            _require_whole(best, best)
            for name in (manifest.NAME, *manifest.file_names(best)):
                shutil.copyfile(best / name, folder / name)
            _require_whole(folder, best)
        atomic_io.switch_link(root / checkpoint.BEST, best.name)


def _require_whole(folder: Path, best: Path) -> None:
    if damage := manifest.find_damage(folder):
        raise UserError(f"{best}: the best checkpoint is damaged ({damage}); restore it from a copy")
