"""Ends of a run before its last epoch: without improvement for some epochs, or by a request to stop."""

from __future__ import annotations

import math

from ..config import Config
from .state import Progress


def update(progress: Progress, epoch: int, score: float, config: Config) -> None:
    """Note an epoch that improved on the one that patience counts from. `score`: higher is better."""
    min_delta = 0.0 if config.early_stopping is None else config.early_stopping.min_delta
    before = progress.improved_score
    if math.isfinite(score) and (before is None or score > before + min_delta):
        progress.improved_epoch, progress.improved_score = epoch, score


def reason(config: Config, progress: Progress) -> str | None:
    """Return why the run ends before its last epoch, or None when it does not."""
    rule, since = config.early_stopping, progress.epoch - progress.improved_epoch
    if rule is None or progress.epoch >= config.epochs or since < rule.patience:
        return None
    by = f" by more than {rule.min_delta:g}" if rule.min_delta else ""
    return (
        f"stopped early after epoch {progress.epoch} of {config.epochs}: {config.select_by} has not improved{by} for "
        f"{since} epochs (early_stopping.patience {rule.patience}), the last time in epoch {progress.improved_epoch}"
    )


def stop_message(by: str | None, progress: Progress, resumes: bool) -> str:
    """Return the message of a run that was asked to stop.

    Args:
        by: a signal's name, or another reason; None: another process of the run was asked.
        resumes: whether the same command, given again, resumes the run.
    """
    step, epoch = progress.step, progress.epoch
    before_first = "before the first step" if not epoch else f"after epoch {epoch}"
    place = f"in epoch {epoch + 1} after step {step}" if step else before_first
    again = "the same command" if resumes else "the same command without --overwrite and --resume"
    return f"stopped by {by or 'a signal to another process'} {place}, and saved; {again} resumes the run"
