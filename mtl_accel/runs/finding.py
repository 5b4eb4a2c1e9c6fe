"""Where a finished model lies: in a run folder, in a folder of its own, or on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import EntryNotFoundError

from ..core.errors import UserError
from ..data.sources.hub import is_hub_id
from .model_folder import FILES, WEIGHTS


def find(path: str | Path, revision: str | None = None) -> Path:
    """The folder of the model: `path` itself, `model` in it, or that of the Hub's model `path`, owner/name.

    Args:
        revision: commit, tag or branch on the Hub.

    Raises:
        UserError: there is no model, or the Hub was not reached.
    """
    there = Path(path).expanduser()
    for folder in (there, there / "model"):
        if (folder / WEIGHTS).is_file():
            return folder
    if not there.exists() and is_hub_id(str(path)):
        return _download(str(path), revision)
    raise UserError(
        f"{path} is neither a run folder with a finished model in it, nor such a model, nor the id of one on the "
        "Hugging Face Hub, which reads owner/name; a run writes RUN/model when it has finished"
    )


def _download(repository: str, revision: str | None) -> Path:
    """The two files of a model, in the Hub's cache. Whatever else is in the repository is left there."""
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=list(FILES)))
    except (OSError, ValueError, RuntimeError, EntryNotFoundError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"{repository}: neither a folder that exists nor a model of the Hugging Face Hub that could be reached "
            f"(revision {revision!r}): {reason}. Correct the folder or the id, or connect to the network; a private "
            "model needs `hf auth login`"
        ) from error
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{repository}: this model of the Hugging Face Hub has no {' and no '.join(missing)}, and so is none that "
            "a run of mtl_accel wrote; choose another one"
        )
    return folder
