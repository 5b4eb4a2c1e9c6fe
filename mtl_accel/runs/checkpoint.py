"""Checkpoints that survive a kill at any moment: written to a temporary, flushed, then renamed; verified when read.

    checkpoints/step-00000123/    manifest.json (sizes and hashes), state.json, one .safetensors file a group
    checkpoints/last, best        links to two of those folders, or files with their names where there are no links

Nothing here reads a pickle: files that the manifest does not name are never opened.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..core import atomic_io
from ..core.errors import UserError
from . import manifest
from .lock import owner_of

logger = logging.getLogger(__name__)

LAST, BEST = "last", "best"
_STATE, _SUFFIX = "state.json", ".safetensors"

# A second save of one step gets the next number behind the dot, so that the first stays whole until it is replaced.
_FOLDER = re.compile(r"step-(\d+)(?:\.(\d+))?")
_GROUP = re.compile(r"[a-z][a-z0-9_]*")

# For headers, manifest and the file system's own blocks.
_SLACK_BYTES, _SLACK_BYTES_PER_TENSOR = 64 * 1024, 256


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint; `tensors` by group and name, on the CPU."""

    folder: Path
    tensors: dict[str, dict[str, torch.Tensor]]
    state: dict[str, Any]


def step_name(step: int) -> str:
    return f"step-{step:08d}"


def is_name(name: str) -> bool:
    """Whether a folder of this name is a checkpoint."""
    return _FOLDER.fullmatch(name) is not None


def save(
    root: Path,
    name: str,
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    state: Mapping[str, Any],
    keep_last: int,
    best: bool,
    is_owner: Callable[[], bool] = lambda: True,
) -> Path:
    """Write the checkpoint `name` (from `step_name`), then point `last` at it, and `best` if it is the best.

    `state` is JSON with string keys; floats come back exactly, NaN and infinities too, tuples as lists.

    Raises:
        UserError: no space, a disk that refuses, or a run folder that another process took over. Earlier
            checkpoints are whole.
    """
    assert keep_last >= 1
    text = _encode_state(state)
    need_bytes = _size_bytes(tensors) + len(text)
    require_owner = partial(_require_owner, root, name, is_owner)
    with atomic_io.storage_errors(root, need_bytes):
        require_owner()
        atomic_io.make_folder(root)
        atomic_io.remove_temporaries(root)
        atomic_io.require_space(root, need_bytes)
        final = root / _free_name(root, name)
        if best and not any((root / link).exists() for link in (LAST, BEST)):
            # Without `last` the folder counts from its rename on, and by then its `best` must be there.
            atomic_io.switch_link(root / BEST, final.name)
        with atomic_io.replace_folder(final, before_publish=require_owner) as folder:
            _write_files(folder, tensors, text)
        # `best` first: a kill in between then leaves a run that saves this step again. In the other order it would
        # resume from a state whose best checkpoint was not saved.
        if best:
            atomic_io.switch_link(root / BEST, final.name)
        atomic_io.switch_link(root / LAST, final.name)
        _prune(root, final.name, keep_last)
    return final


def load(path: Path) -> Checkpoint | None:
    """Load the checkpoint that `last` names in a folder of checkpoints, or `path` itself if it is one.

    A damaged `last` falls back to the newest whole one before it, with a warning. None: none was ever completed.

    Raises:
        UserError: there are checkpoints, but none is whole.
    """
    damages: list[str] = []
    with atomic_io.storage_errors(path):
        for folder in _folders_to_try(path):
            damage = manifest.find_damage(folder)
            if damage is None:
                if damages:
                    logger.warning("damaged checkpoint: %s; falling back to %s", "; ".join(damages), folder)
                return _read_checkpoint(folder)
            damages.append(f"{folder} ({damage})")
    if damages:
        raise UserError(
            f"{path}: no whole checkpoint: {'; '.join(damages)}. Restore one from a copy, or start again without resume"
        )
    return None


def _require_owner(root: Path, name: str, is_owner: Callable[[], bool]) -> None:
    if not is_owner():
        raise UserError(
            f"{root}: this run folder now belongs to {owner_of(root.parent)}; checkpoint {name} was not saved. "
            "Let that process go on, or stop it and resume"
        )


def _size_bytes(tensors: Mapping[str, Mapping[str, torch.Tensor]]) -> int:
    sizes = [tensor.nbytes for group in tensors.values() for tensor in group.values()]
    return sum(sizes) + _SLACK_BYTES + _SLACK_BYTES_PER_TENSOR * len(sizes)


def _encode_state(state: Mapping[str, Any]) -> bytes:
    _require_text_keys(state, _STATE)
    return json.dumps(dict(state), indent=1).encode()


def _require_text_keys(value: Any, place: str) -> None:
    """Refuse other keys than text: JSON would silently turn the key 0 into "0"."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{place}: key {key!r} is a {type(key).__name__}, JSON keys are text")
            _require_text_keys(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _require_text_keys(inner, f"{place}[{index}]")


def _write_files(folder: Path, tensors: Mapping[str, Mapping[str, torch.Tensor]], state: bytes) -> None:
    (folder / _STATE).write_bytes(state)
    # save_file makes its files private; the group of a cluster reads the others.
    mode = (folder / _STATE).stat().st_mode
    for group, members in tensors.items():
        assert _GROUP.fullmatch(group), group
        path = folder / (group + _SUFFIX)
        _write_tensors(path, members)
        path.chmod(stat.S_IMODE(mode))
    manifest.write(folder)


def _write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    plain: dict[str, torch.Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        # The format refuses tensors that share memory, such as tied weights.
        pointer = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if pointer in storages else tensor
        storages.add(pointer)
    try:
        save_file(plain, path)
    except SafetensorError as error:
        code = re.search(r"(?:os error|code:) (\d+)", str(error))  # "code:" until safetensors 0.5
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def _read_checkpoint(folder: Path) -> Checkpoint:
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    for name in manifest.file_names(folder):
        if name.endswith(_SUFFIX):
            try:
                group = load_file(folder / name)
            except SafetensorError as error:
                raise UserError(f"{folder / name}: not a safetensors file ({error}): restore it from a copy") from error
            # Cloned, because load_file maps the file: a pruned file of a network disk would take its memory along.
            tensors[name.removesuffix(_SUFFIX)] = {key: tensor.clone() for key, tensor in group.items()}
    return Checkpoint(folder, tensors, atomic_io.read_json(folder / _STATE))


def _age(name: str) -> tuple[float, int]:
    """Sort key of folder names, from old to new."""
    match = _FOLDER.fullmatch(name)
    return (int(match[1]), int(match[2] or 0)) if match else (float("inf"), 0)


def _checkpoint_names(root: Path) -> list[str]:
    """List the checkpoints of a folder, whole or not, newest first."""
    if not root.is_dir():
        return []
    return sorted((p.name for p in root.iterdir() if _FOLDER.fullmatch(p.name)), key=_age, reverse=True)


def _folders_to_try(path: Path) -> list[Path]:
    """List the folders to try: `last`, then older ones, then newer ones, each newest first."""
    here = atomic_io.follow_link(path)
    if is_name(here.name) or any((path / name).exists() for name in (manifest.NAME, _STATE)):
        return [here]
    names, last = _checkpoint_names(path), path / LAST
    if last.is_symlink() or last.exists():
        first = atomic_io.follow_link(last)
        others = [name for name in names if name != first.name]
        others.sort(key=lambda name: _age(name) > _age(first.name))
        return [first, *(path / name for name in others)]
    return [path / name for name in names]


def _free_name(root: Path, name: str) -> str:
    assert _FOLDER.fullmatch(name) and "." not in name, name
    attempts = [_age(other)[1] for other in _checkpoint_names(root) if _age(other)[0] == _age(name)[0]]
    return f"{name}.{max(attempts) + 1}" if attempts else name


def _prune(root: Path, saved: str, keep_last: int) -> None:
    """Keep the newest of the last `keep_last` steps and the best, and remove the others.

    A folder that is newer than `saved` was never `last`, or belongs to a run that was resumed from an earlier step. An
    earlier save of the same step is replaced.
    """
    newest = {_age(name)[0]: name for name in sorted(_checkpoint_names(root), key=_age) if _age(name) <= _age(saved)}
    keep = {newest[step] for step in sorted(newest)[-keep_last:]} | {atomic_io.follow_link(root / BEST).name}
    for name in _checkpoint_names(root):
        if name not in keep:
            atomic_io.discard(root / name)
