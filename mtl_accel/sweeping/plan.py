"""The runs of a sweep: every config with every combination of a grid and every seed, checked before the first one."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Config, read_config
from ..config.differences import differences
from ..core.errors import UserError, collect

_MAX_WORD = 24  # characters of a value in a name
_MAX_LABEL = 100  # characters of all values in a name
AS_IT_IS = "none"


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        name: of its folder, such as "v5-lr=0.001-seed0".
        settings: its values of the grid or the search, by dotted paths, and its "variant".
        config: with its seed and its run_dir.
        source: the name of the file that its config came from, without ".json".
    """

    name: str
    settings: Mapping[str, Any]
    config: Config
    source: str

    @property
    def folder(self) -> Path:
        return Path(self.config.run_dir)


def plan_runs(
    configs: Sequence[Path],
    output: Path,
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    overrides: Mapping[str, Any],
    variants: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Member]:
    """Return the members in the order in which they run: config by config, and of each combination all seeds.

    Args:
        grid: values by dotted paths.
        variants: knobs by dotted paths, by the variant's name; each config also runs as it is, as variant "none".
        seeds: empty: each config's own.
        overrides: knobs of every run, by dotted paths.

    Raises:
        UserError: everything that is wrong with the arguments, and folders that hold other runs.
    """
    options = option_problems(configs, list(grid), seeds, overrides)
    problems = [*options, *_grid_problems(grid), *_variant_problems(variants or {}, grid)]
    if problems:
        raise UserError(problems)
    planned: list[Member] = []
    for path, (settings, knobs, places) in itertools.product(configs, _combinations(grid, variants or {})):
        here: list[str] = []
        with collect(here):
            label = settings_label(settings)
            planned += one_per_seed(path, label, output, settings, {**overrides, **knobs}, places, seeds)
        is_clear = len(configs) == 1
        problems += [text if is_clear or str(path) in text else f"{text} (with {path})" for text in here]
    doubled = _duplicates([member.name for member in planned])
    problems += [f"--grid: two runs would be named {name}; write one of the values in another way" for name in doubled]
    problems += [problem for member in planned for problem in _folder_problems(member)]
    if problems:
        raise UserError(list(dict.fromkeys(problems)))
    return planned


def _combinations(
    grid: Mapping[str, Sequence[Any]], variants: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
    """Settings of each combination, the knobs that it sets, and what messages call the place of each knob."""
    for name in [AS_IT_IS, *variants] if variants else [None]:
        knobs = variants.get(name or AS_IT_IS, {})
        places = {**dict.fromkeys(knobs, f"--variants: {name}"), **dict.fromkeys(grid, "--grid")}
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            yield chosen if name is None else {"variant": name, **chosen}, {**knobs, **chosen}, places


def one_per_seed(
    path: Path,
    label: str,
    output: Path,
    settings: Mapping[str, Any],
    knobs: Mapping[str, Any],
    places: Mapping[str, str],
    seeds: Sequence[int],
) -> list[Member]:
    """Return the runs of one config with the same settings, one a seed.

    Args:
        label: stands between config and seed in the names of their folders; may be empty.
        settings: of the members.
        knobs: changes to the config, by dotted paths.
        places: what messages call the place of a knob, such as {"optimizer.lr": "--grid"}; left out: "--KEY".

    Raises:
        UserError: everything that is wrong with the config and the knobs.
    """
    members: list[Member] = []
    for seeded in [{"seed": seed} for seed in seeds] or [{}]:
        config = read_config(path, {**knobs, **seeded}, {**places, **dict.fromkeys(seeded, "--seeds")})
        name = "-".join(part for part in (path.stem, label, f"seed{config.seed}") if part)
        where = {"run_dir": str(output / name), "schema_": None}  # the schema's path counts from the file's own folder
        members.append(Member(name, settings, config.model_copy(update=where), path.stem))
    return members


def option_problems(
    configs: Sequence[Path], keys: Sequence[str], seeds: Sequence[int], overrides: Mapping[str, Any]
) -> list[str]:
    """Problems that need no config to be read; `keys` are those of the grid or the search."""
    problems = [] if configs else ["--config is missing; give the path of a JSON config, such as configs/v5.json"]
    problems += [
        f"--config: two files are named {stem}.json, and their runs would have the same names; rename one"
        for stem in _duplicates([path.stem for path in configs])
    ]
    problems += [
        f"--grid, --search: {key} cannot be varied there; {reason}"
        for key, reason in {"run_dir": "--output names the folder", "seed": "give --seeds 0,1,2"}.items()
        if key in keys
    ]
    problems += [f"--{key}: stands in --grid or --search as well; keep one of them" for key in keys if key in overrides]
    if "run_dir" in overrides:
        problems.append("--run_dir: a sweep names the folders of its runs; give --output")
    if seeds and "seed" in overrides:
        problems.append("--seed: stands beside --seeds; keep one of them")
    problems += [f"--seeds: {seed} stands twice" for seed in _duplicates(list(seeds))]
    return problems


def _grid_problems(grid: Mapping[str, Sequence[Any]]) -> list[str]:
    problems = [
        f'--grid: {key} must have a list of values, such as "{key}": [1, 2] (got {json.dumps(values)})'
        for key, values in grid.items()
        if not isinstance(values, list) or not values
    ]
    for key, values in grid.items():
        doubled = _duplicates(
            [json.dumps(value, sort_keys=True) for value in values] if isinstance(values, list) else []
        )
        problems += [f"--grid: {key}: {text} stands twice" for text in doubled]
    return problems


def _variant_problems(variants: Mapping[str, Any], grid: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, knobs in variants.items():
        if name == AS_IT_IS:
            problems.append(f"--variants: {name!r} is the name of the config as it is; choose another name")
        if not isinstance(knobs, dict) or not knobs:
            problems.append(
                f"--variants: {name} must be an object of knobs by their dotted paths (got {json.dumps(knobs)})"
            )
            continue
        taken = {"run_dir", "seed"} & set(knobs)
        problems += [f"--variants: {name}: {key} is the sweep's own to set" for key in sorted(taken)]
        problems += [
            f"--variants: {name}: {key} stands in --grid as well; keep one of them" for key in knobs if key in grid
        ]
    return problems


def _folder_problems(member: Member) -> list[str]:
    """Problems with the run's folder: a run of another config in it must not count as this one."""
    path = member.folder / "config.json"
    if not path.is_file():
        return []
    try:
        before = read_config(path, given_alone=True)
    except UserError as error:
        return error.problems
    dumped = [config.model_dump(mode="json", by_alias=True) for config in (before, member.config)]
    return [
        f"{member.folder}: holds a run of another config: {key} is {json.dumps(now)}, and was {json.dumps(old)}; "
        "give another --output, or remove that folder"
        for key, old, now in differences(*dumped)
    ]


def settings_label(settings: Mapping[str, Any]) -> str:
    """Settings in the name of a folder: "lr=0.001-optimizer=SGD~1f0c"; a hash stands for what was cut or changed."""
    ends = [key.rpartition(".")[2] for key in settings]
    keys = [end if ends.count(end) == 1 else key for key, end in zip(settings, ends, strict=True)]
    whole = "-".join(f"{key}={_word(value)}" for key, value in zip(keys, settings.values(), strict=True))
    return whole if len(whole) <= _MAX_LABEL else f"{whole[:_MAX_LABEL]}~{_hash(settings)}"


def _word(value: Any) -> str:
    exact = value if isinstance(value, str) else json.dumps(value)
    shown = str(value["name"]) if isinstance(value, dict) and "name" in value else exact
    clean = re.sub(r"[^A-Za-z0-9.+-]+", "_", shown).strip("_")[:_MAX_WORD]
    return clean if clean == exact else f"{clean}~{_hash(value)}"


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=4).hexdigest()


def _duplicates(values: Sequence[Any]) -> list[Any]:
    return [value for value in dict.fromkeys(values) if values.count(value) > 1]
