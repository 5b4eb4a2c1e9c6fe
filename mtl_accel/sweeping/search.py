"""Search by Optuna: a few runs at a time, each where those before did best; it goes on where it stopped."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import Config, read_config
from ..config.differences import differences
from ..core import rng
from ..core.errors import UserError, require
from ..core.tasks import lower_is_better
from ..report.records.runs import read
from .plan import Member, members, option_problems
from .runner import Runner
from .space import Choices, Range

STORAGE = "optuna.db"


class Search:
    """Trials of one config in a space, kept in OUTPUT/optuna.db.

    What a trial is depends on the config's seed and the trials before it, and not on when the search was stopped.

    Args:
        seeds: a trial's value is the mean over runs with each of them; empty: the config's own.

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
        self._optuna = require("sweep", "optuna")[0]
        self.path, self.output, self.space, self.seeds, self.overrides = config, output, space, seeds, overrides
        self._places = dict.fromkeys(space, "--search")
        self.base = self._checked()

    def run(self, runner: Runner, trials: int) -> None:
        """Run until there are so many trials, those of earlier starts counted, or until asked to stop.

        Raises:
            UserError: OUTPUT holds another search.
        """
        state = self._optuna.trial.TrialState
        study = self._open()
        for trial in study.trials:
            if trial.state.is_finished() and set(trial.params) == set(self.space):
                for member in self._members(trial):
                    runner.count_in(member)
        while not runner.stopped and (number := self._next(study, trials)) is not None:
            runs = self._members(study.trials[number])
            words = ", ".join(f"{key} {json.dumps(value)}" for key, value in runs[0].settings.items())
            outcomes = [runner.run(member, f"trial {number + 1} of {trials} ({words})") for member in runs]
            if runner.stopped:
                return  # the trial stays open, and the next start goes on with it
            values = [score(member) for member, o in zip(runs, outcomes, strict=True) if o.status == "finished"]
            if len(values) == len(runs) and all(map(math.isfinite, values)):
                study.tell(number, statistics.fmean(values))
            else:
                study.tell(number, state=state.FAIL)

    def _open(self) -> Any:
        """The study on the disk."""
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
        """The number of the trial that was left open, or of a new one; None when there are enough."""
        running = self._optuna.trial.TrialState.RUNNING
        num_reported = 0
        for trial in study.trials:
            whole = set(trial.params) == set(self.space)
            if trial.state == running and whole:
                return int(trial.number)
            if trial.state == running:  # killed before all its values were drawn
                study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
            num_reported += whole
        if num_reported >= trials:
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
        raw = {key: trial.params[key] for key in self.space}
        settings = {key: json.loads(raw[key]) if isinstance(e, Choices) else raw[key] for key, e in self.space.items()}
        name = f"trial{trial.number:03d}"
        return members(self.path, name, self.output, settings, self.seeds, self.overrides, self._places)

    def _checked(self) -> Config:
        """The config with its overrides. The space is tried at its ends, one knob after another."""
        problems = option_problems([self.path], list(self.space), self.seeds, self.overrides)
        if problems:
            raise UserError(problems)
        base = read_config(self.path, self.overrides)
        first = {key: entry.ends[0] for key, entry in self.space.items()}
        for key, entry in self.space.items():
            for value in entry.ends:
                try:
                    tried = {**first, key: value}
                    members(self.path, "", self.output, tried, self.seeds, self.overrides, self._places)
                except UserError as error:  # noqa: PERF203 (all that is wrong is reported at once)
                    problems += error.problems
        if problems:
            raise UserError(list(dict.fromkeys(problems)))
        return base

    def _require_same(self, study: Any) -> None:
        """Trials of another config or space must not be taken for this one's."""
        own = {
            "config": self.base.model_dump(mode="json", by_alias=True),
            "space": {key: vars(entry) for key, entry in self.space.items()},
            "seeds": list(self.seeds),
        }
        own = json.loads(json.dumps(own))
        before = study.user_attrs.get("search")
        if before is None:
            study.set_user_attr("search", own)
            return
        changed = [key for key in ("space", "seeds") if before[key] != own[key]]
        changed += [difference.key for difference in differences(before["config"], own["config"])]
        if changed:
            raise UserError(
                f"{self.output / STORAGE}: holds a search with another {', '.join(changed)}; give another --output"
            )


def score(member: Member) -> float:
    """What `select_by` says of a finished run: of its best epoch. NaN where no epoch has a number."""
    (record,) = read([member.folder])
    best = record.best(record.selected)
    return math.nan if best is None else best[1]
