"""The weights of a finished model: compared with its description before memory is taken for them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ..core import atomic_io
from ..core.errors import UserError, shorten
from ..models.base import Pair

_CHUNK_BYTES = 1 << 20
_FLOATS = ("F64", "F32", "F16", "BF16")  # types of safetensors that may be loaded into each other
_INTEGERS = ("I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8")


class Entry(NamedTuple):
    """One tensor in the header of a safetensors file."""

    shape: tuple[int, ...]
    dtype: str  # in the words of safetensors, such as "F32"


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with atomic_io.storage_errors(path), path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def load_weights(path: Path, build: Callable[[], Pair], pair: str) -> Pair:
    """Build a pair and load a file into it.

    The file's header is compared with the pair's shapes and types first. These come from the pair built on the "meta"
    device, where a tensor takes no memory: a description may claim heads of any size.

    Raises:
        UserError: the file cannot be read, or does not belong to the pair.
    """
    header = read_header(path)
    if (planned := _planned(build)) is not None:
        _require_fit(path, pair, header, planned)
    model = build()
    _require_fit(path, pair, header, model.state_dict())
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise UserError(f"{path}: cannot be loaded into {pair}: {error}; restore it from a copy") from error
    return model


def read_header(path: Path) -> dict[str, Entry]:
    """Read names, shapes and types, without the tensors.

    Raises:
        UserError: it is no safetensors file, or a damaged one.
    """
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return {name: Entry(tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}): restore it from a copy") from error


def _planned(build: Callable[[], Pair]) -> Mapping[str, Tensor] | None:
    """State of the pair on the "meta" device; None of a pair whose construction reads values of its parameters."""
    # The second puts parameters alone there, for a construction that computes with other tensors, as RegNet's.
    for on_meta in (partial(torch.device, "meta"), init_empty_weights):
        with contextlib.suppress(RuntimeError), on_meta():  # such as NotImplementedError
            return build().state_dict()
    return None  # what else is wrong, building it in earnest raises


def _require_fit(path: Path, pair: str, header: Mapping[str, Entry], own: Mapping[str, Tensor]) -> None:
    """Check names, shapes and types. Raises UserError for everything that differs."""
    problems = [f"{name} is missing" for name in own if name not in header]
    problems += [f"{name} is none of its tensors" for name in header if name not in own]
    for name in own.keys() & header.keys():
        shape, dtype = header[name]
        if shape != tuple(own[name].shape):
            problems.append(f"{name} is {list(shape)} and must be {list(own[name].shape)}")
        elif dtype not in (_FLOATS if own[name].is_floating_point() else _INTEGERS):
            problems.append(f"{name} is {dtype} and must be {str(own[name].dtype).removeprefix('torch.')}")
    if problems:
        listed = "; ".join(shorten(sorted(problems), "tensors"))
        raise UserError(
            f"{path}: does not fit {pair} with the tasks in config.json: {listed}. Take both files from the same run"
        )
