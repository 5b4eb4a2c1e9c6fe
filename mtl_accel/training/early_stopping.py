"""Why a run ends before its last epoch: its validation has not improved for some epochs, or it was asked to stop."""

from __future__ import annotations

import math

from ..config import Config
from .state import Progress


def note(progress: Progress, epoch: int, score: float, config: Config) -> None:
    """See whether an epoch improved on the one that patience counts from. `score`: the higher the better."""
    min_delta = 0.0 if config.early_stopping is None else config.early_stopping.min_delta
    before = progress.improved_score
    if math.isfinite(score) and (before is None or score > before + min_delta):
        progress.improved_epoch, progress.improved_score = epoch, score


def reason(config: Config, progress: Progress) -> str | None:
    """Why a run ends before its last epoch, or None when it goes on."""
    rule, since = config.early_stopping, progress.epoch - progress.improved_epoch
    if rule is None or progress.epoch >= config.epochs or since < rule.patience:
        return None
    by = f" by more than {rule.min_delta:g}" if rule.min_delta else ""
    return (
        f"stopped early after epoch {progress.epoch} of {config.epochs}: {config.select_by} has not improved{by} for "
        f"{since} epochs (early_stopping.patience {rule.patience}), the last time in epoch {progress.improved_epoch}"
    )


def stop_message(by: str | None, progress: Progress, goes_on: bool) -> str:
    """What is said of a run that was asked to stop.

    Args:
        by: a signal's name, or what else asked this process; None: another process of the run was asked.
        goes_on: whether the same command, given again, goes on with the run.
    """
    step, epoch = progress.step, progress.epoch
    before_first = "before the first step" if not epoch else f"after epoch {epoch}"
    place = f"in epoch {epoch + 1} after step {step}" if step else before_first
    again = "the same command" if goes_on else "the same command without --overwrite and --resume"
    return f"stopped by {by or 'a signal to another process'} {place}, and saved; {again} goes on"
