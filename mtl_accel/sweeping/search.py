"""A search by Optuna: each trial tries the knobs where those before did best; a stopped search continues."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..config import Config, read_config
from ..config.differences import differences
from ..config.saved import upgraded
from ..core import rng
from ..core.errors import UserError, collect, import_extra
from ..metrics.registry import lower_is_better
from ..report.records.runs import read_runs
from .plan import Member, one_per_seed, option_problems
from .runner import Runner
from .space import Choices, Range

STORAGE = "optuna.db"


class Search:
    """Trials of one config in a space, kept in OUTPUT/optuna.db.

    A trial depends on the config's seed and on the trials before it, and not on when the search was stopped.

    Args:
        seeds: a trial has a run with each of them, and their mean is its value; empty: the config's own.

    Raises:
        UserError: Optuna is missing, and what is wrong with config, space, seeds and knobs.
    """

    def __init__(
        self,
        config: Path,
        output: Path,
        space: Mapping[str, Range | Choices],
        seeds: Sequence[int],
        overrides: Mapping[str, Any],
    ) -> None:
        self._optuna = import_extra("sweep", "optuna")[0]
        self.path, self.output, self.space, self.seeds, self.overrides = config, output, space, seeds, overrides
        self.base = self._checked()

    def run(self, runner: Runner, trials: int) -> None:
        """Run until there are `trials` trials, counting those of earlier starts, or until asked to stop.

        Raises:
            UserError: OUTPUT holds another search.
        """
        state = self._optuna.trial.TrialState
        study = self._open()
        for trial in study.trials:
            if trial.state.is_finished() and set(trial.params) == set(self.space):
                for member in self._members(trial):
                    runner.add_if_finished(member)
        while not runner.stopped and (number := self._next(study, trials)) is not None:
            runs = self._members(study.trials[number])
            settings = ", ".join(f"{key} {json.dumps(value)}" for key, value in runs[0].settings.items())
            outcomes = [runner.run(member, f"trial {number + 1} of {trials} ({settings})") for member in runs]
            if runner.stopped:
                return  # the trial stays open, and the next start continues it
            scores = [
                selection_score(member)
                for member, outcome in zip(runs, outcomes, strict=True)
                if outcome.status == "finished"
            ]
            if len(scores) == len(runs) and all(map(math.isfinite, scores)):
                study.tell(number, statistics.fmean(scores))
            else:
                study.tell(number, state=state.FAIL)

    def _open(self) -> Any:
        """Open the study on the disk, or create it."""
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        study = self._optuna.create_study(
            storage=f"sqlite:///{(self.output / STORAGE).absolute()}",
            study_name="sweep",
            direction="minimize" if lower_is_better(self.base.select_by) else "maximize",
            load_if_exists=True,
        )
        self._require_same(study)
        return study

    def _next(self, study: Any, trials: int) -> int | None:
        """Number of the trial that was left open, or of a new one; None when there are enough."""
        running = self._optuna.trial.TrialState.RUNNING
        num_drawn = 0
        for trial in study.trials:
            is_drawn = set(trial.params) == set(self.space)
            if trial.state == running and is_drawn:
                return int(trial.number)
            if trial.state == running:  # killed before all its values were drawn
                study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
            num_drawn += is_drawn
        if num_drawn >= trials:
            return None
        seed = rng.seed_of(self.base.seed, rng.SEARCH, len(study.trials)) % 2**32
        # A sampler keeps random state, which a restart would lose; so each trial has its own.
        study.sampler = self._optuna.samplers.TPESampler(seed=seed)
        return int(study.ask({key: self._distribution(entry) for key, entry in self.space.items()}).number)

    def _distribution(self, entry: Range | Choices) -> Any:
        kinds = self._optuna.distributions
        if isinstance(entry, Choices):
            # Optuna keeps text; other values may be anything that JSON has.
            return kinds.CategoricalDistribution([json.dumps(value) for value in entry.values])
        if entry.is_integer:
            return kinds.IntDistribution(entry.low, entry.high, log=entry.log, step=entry.step or 1)
        return kinds.FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)

    def _members(self, trial: Any) -> list[Member]:
        drawn = trial.params
        settings = {
            key: json.loads(drawn[key]) if isinstance(entry, Choices) else drawn[key]
            for key, entry in self.space.items()
        }
        return self._runs(f"trial{trial.number:03d}", settings)

    def _runs(self, label: str, settings: Mapping[str, Any]) -> list[Member]:
        knobs, places = {**self.overrides, **settings}, dict.fromkeys(self.space, "--search")
        return one_per_seed(self.path, label, self.output, settings, knobs, places, self.seeds)

    def _checked(self) -> Config:
        """Check everything: the config with its overrides, which is returned, and each knob at its ends."""
        problems = option_problems([self.path], list(self.space), self.seeds, self.overrides)
        if problems:
            raise UserError(problems)
        base = read_config(self.path, self.overrides)
        first = {key: entry.ends[0] for key, entry in self.space.items()}
        for key, entry in self.space.items():
            for value in entry.ends:
                with collect(problems):
                    self._runs("", {**first, key: value})
        if problems:
            raise UserError(list(dict.fromkeys(problems)))
        return base

    def _require_same(self, study: Any) -> None:
        """Refuse a study of another config, space or seeds, whose trials must not be taken for this one's."""
        now = {
            "config": self.base.model_dump(mode="json", by_alias=True),
            "space": {key: vars(entry) for key, entry in self.space.items()},
            "seeds": list(self.seeds),
        }
        now = json.loads(json.dumps(now))
        before = study.user_attrs.get("search")
        if before is None:
            study.set_user_attr("search", now)
            return
        changed = [key for key in ("space", "seeds") if before[key] != now[key]]
        changed += [difference.key for difference in differences(_completed(before["config"]), now["config"])]
        if changed:
            raise UserError(
                f"{self.output / STORAGE}: holds a search with another {', '.join(changed)}; give another --output"
            )


def _completed(saved: dict[str, Any]) -> dict[str, Any]:
    """A saved config with the knobs that came after it; as it is, if this version cannot read it."""
    try:
        return Config.model_validate(upgraded(saved)).model_dump(mode="json", by_alias=True)
    except ValidationError:
        return saved


def selection_score(member: Member) -> float:
    """`select_by` of a finished run at its best epoch; NaN where no epoch has a number."""
    (record,) = read_runs([member.folder])
    best = record.best(record.selection_metric)
    return math.nan if best is None else best[1]
