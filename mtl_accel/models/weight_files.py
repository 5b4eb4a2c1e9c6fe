"""Files of weights: fetched from where torchvision publishes them, or found on the disk. No pickle is ever run.

`torch.hub` downloads a file and checks the hash of the download. Its `load_state_dict_from_url`, which torchvision's
`get_state_dict` calls, does not check a file that is in the cache already, has no timeout, and downloads once for each
process of a machine.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import pickle
import re
import socket
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import safetensors.torch
import torch
from filelock import FileLock
from safetensors import SafetensorError
from torch import Tensor

from ..core.errors import UserError

logger = logging.getLogger(__name__)

SUFFIXES = (".pth", ".pt", ".safetensors")
_MODEL = "model.safetensors"  # of a finished run, in its folder model/
TIMEOUT_SECONDS = 20.0  # for each wait on the network, not for the whole download
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")
# A damaged file can fail anywhere in torch's reader, with any of these.
_UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    SafetensorError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


def fetch(url: str) -> Path:
    """Return the path of the file of `url` in torch.hub's cache, after a download if needed and a check of its hash.

    Raises:
        UserError: it cannot be fetched, or the file in the cache has another hash.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    match = _HASH_IN_NAME.search(path.name)
    assert match is not None, f"{url} does not carry its hash"
    try:
        if not path.exists():
            _download(url, path, match[1])
        digest = _sha256(path)
    except (OSError, HTTPException, RuntimeError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the response of the server, with an open connection
        raise UserError(
            f"model.weights: cannot fetch {url} ({_reason(error)}); put the file at {path} by hand, or set "
            f"model.weights to a local {', '.join(SUFFIXES)} file, or to null for random weights"
        ) from error
    if not digest.startswith(match[1]):
        raise UserError(
            f"model.weights: {path} is damaged or another file: its SHA-256 starts with {digest[: len(match[1])]} "
            f"instead of {match[1]}; delete {path} and start again, or put the right file there from {url}"
        )
    return path


def _download(url: str, path: Path, hash_prefix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The processes of a machine share the cache: the first one downloads, the others wait and find the file.
    with FileLock(f"{path}.lock"), _socket_timeout(TIMEOUT_SECONDS):
        if not path.exists():
            torch.hub.download_url_to_file(url, str(path), hash_prefix)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Set a timeout: torch opens the URL without one, and would wait for ever for a firewall that drops packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_local_file(weights: str, names: Sequence[str], owner: str) -> Path:
    """Return `weights` as a path, of a folder that of the model in it; `names` of `owner` are what it could be instead.

    Raises:
        UserError: there is none, or it has another suffix.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        return _model_in(path)
    if path.is_file() and path.suffix in SUFFIXES:
        return path
    if path.is_file():
        raise UserError(f"model.weights: {path} must end in one of {', '.join(SUFFIXES)}, which tells how to read it")
    close = difflib.get_close_matches(weights.upper(), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    is_no_name = f"is neither a name of {owner} ({', '.join(names)}) nor" if names else f"of {owner} is not"
    raise UserError(
        f"model.weights: {weights!r} {is_no_name} the path of a file that exists, seen from {Path.cwd()}{hint}"
    )


def _model_in(folder: Path) -> Path:
    """The weights of the finished model in a run folder or in its model/. Raises UserError if there are none."""
    file = next((file for file in (folder / _MODEL, folder / "model" / _MODEL) if file.is_file()), None)
    if file is None:
        raise UserError(f"model.weights: {folder} holds no model/{_MODEL}; give the folder of a run that has finished")
    logger.info("model.weights: %s: the backbone of its model is loaded, from %s", folder, file)
    return file


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a file of tensors by name. Raises UserError for anything else."""
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            _require_stored(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise UserError(
            f"model.weights: {path} cannot be read ({_reason(error)}); it must hold a state dict of tensors and "
            "nothing else, as written by torch.save(model.state_dict(), path) or safetensors"
        ) from error
    if isinstance(state, dict):
        unexpected = [
            str(key) for key, value in state.items() if not (isinstance(key, str) and isinstance(value, Tensor))
        ]
    else:
        unexpected = [type(state).__name__]
    if unexpected:
        raise UserError(
            f"model.weights: {path} must hold a state dict, names to tensors, but holds {', '.join(unexpected)}; "
            "write it by torch.save(model.state_dict(), path)"
        )
    return state


def _require_stored(path: Path) -> None:
    """Refuse an archive of compressed files: torch writes none, and some kilobytes may unpack to many gigabytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("its archive is compressed, which torch.save never does")


def _reason(error: BaseException) -> str:
    """The kind of an error and its first sentence, on one line."""
    # Torch wraps the message of the unpickler in the advice to switch its safety off.
    inner = error.__context__ if isinstance(error, pickle.UnpicklingError) and error.__context__ else error
    sentence = " ".join(str(inner).split()).partition(". ")[0]
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
