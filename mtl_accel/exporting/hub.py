"""A model folder on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import validate_repo_id

from ..core.errors import UserError

# The errors of a connection are no OSError in every release of the library.
_REFUSED = (OSError, ValueError, HTTPError)


def require_uploadable(repo: str, output: str | Path | None) -> None:
    """Raise UserError, before the work, for what cannot be a model's id, and where the export would stay behind."""
    problems: list[str] = []
    try:
        validate_repo_id(repo)
    except ValueError as error:
        problems.append(f"--push-to-hub: {error}; give owner/name")
    if output is not None:
        problems.append(f"--output: {output} would not be uploaded, since RUN/model is; leave --output out")
    if problems:
        raise UserError(problems)


def push(folder: Path, repo: str, *, private: bool = False) -> str:
    """Upload a model folder, into a repository that is made where there is none, and return the commit's address.

    Raises:
        UserError: no network, no token, or a token that may not write there.
    """
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            commit_message="Upload by mtl_accel",
            ignore_patterns=[".tmp-*"],  # what a killed export left
        )
    except _REFUSED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"--push-to-hub: {repo} could not be written at {api.endpoint}: {reason}. {folder} is complete here; log "
            "in with `hf auth login` and a token that may write, see that there is a network and that HF_HUB_OFFLINE "
            "is not set, then start again"
        ) from error
    return str(commit.commit_url)
