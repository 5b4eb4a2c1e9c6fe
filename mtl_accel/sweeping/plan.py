"""Which runs a sweep has: every config with every combination of a grid and every seed, checked before the first."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..config import Config, read_config
from ..config.differences import differences
from ..core.errors import UserError

_SHORT = 24  # characters of a value in a name
_LONGEST = 100  # characters of all values in a name
AS_IT_IS = "none"


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        name: of its folder, such as "v5-lr=0.001-seed0".
        settings: what it has of the grid or the search, by dotted paths.
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


def plan(
    configs: Sequence[Path],
    output: Path,
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    overrides: Mapping[str, Any],
    variants: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Member]:
    """The members in the order in which they run: config by config, and of each combination all seeds.

    Args:
        grid: values by dotted paths.
        variants: knobs by dotted paths, by the variant's name; each config also runs as it is, as variant "none".
        seeds: empty: each config's own.
        overrides: knobs of every run, by dotted paths.

    Raises:
        UserError: everything that is wrong with configs, grid, seeds and values, and folders that hold other runs.
    """
    options = option_problems(configs, list(grid), seeds, overrides)
    problems = [*options, *_grid_problems(grid), *_variant_problems(variants or {}, grid)]
    if problems:
        raise UserError(problems)
    found: list[Member] = []
    for path, variant, values in itertools.product(configs, _choices(variants), itertools.product(*grid.values())):
        settings = dict(zip(grid, values, strict=True))
        named = {**variant.shown, **settings}
        try:
            places = {**variant.places, **dict.fromkeys(grid, "--grid")}
            made = members(path, label(named), output, settings, seeds, {**overrides, **variant.knobs}, places)
            found += [replace(member, settings=named) for member in made]
        except UserError as error:
            problems += error.problems if len(configs) == 1 else [_beside(path, problem) for problem in error.problems]
    doubled = _doubled([member.name for member in found])
    problems += [f"--grid: two runs would be named {name}; write one value otherwise" for name in doubled]
    problems += [problem for member in found for problem in _folder_problems(member)]
    if problems:
        raise UserError(list(dict.fromkeys(problems)))
    return found


def _beside(path: Path, problem: str) -> str:
    return problem if str(path) in problem else f"{problem} (with {path})"


class _Variant(NamedTuple):
    shown: Mapping[str, str]
    knobs: Mapping[str, Any]

    @property
    def places(self) -> dict[str, str]:
        """What messages call the place of each knob."""
        return dict.fromkeys(self.knobs, f"--variants: {self.shown.get('variant')}")


def _choices(variants: Mapping[str, Mapping[str, Any]] | None) -> list[_Variant]:
    if not variants:
        return [_Variant({}, {})]
    return [_Variant({"variant": name}, knobs) for name, knobs in {AS_IT_IS: {}, **variants}.items()]


def members(
    path: Path,
    middle: str,
    output: Path,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    overrides: Mapping[str, Any],
    places: Mapping[str, str],
) -> list[Member]:
    """The runs of one config with the same settings, one a seed. Raises UserError for what is wrong with them.

    Args:
        places: what messages call the place of a knob, such as {"optimizer.lr": "--grid"}; left out: "--KEY".
    """
    changed, places = {**overrides, **settings}, {**places, **({"seed": "--seeds"} if seeds else {})}
    found: list[Member] = []
    own: tuple[int | None, ...] = (None,)
    for seed in seeds or own:
        config = read_config(path, changed if seed is None else {**changed, "seed": seed}, places)
        name = "-".join(part for part in (path.stem, middle, f"seed{config.seed}") if part)
        where = {"run_dir": str(output / name), "schema_": None}  # the schema's path counts from the file's own folder
        found.append(Member(name, settings, config.model_copy(update=where), path.stem))
    return found


def option_problems(
    configs: Sequence[Path], keys: Sequence[str], seeds: Sequence[int], overrides: Mapping[str, Any]
) -> list[str]:
    """What is wrong before a config is read; `keys` are those of the grid or the search."""
    problems = [] if configs else ["--config is missing; give the path of a JSON config, such as configs/v5.json"]
    problems += [
        f"--config: two files are named {stem}.json, and their runs would have the same names; rename one"
        for stem in _doubled([path.stem for path in configs])
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
    problems += [f"--seeds: {seed} stands twice" for seed in _doubled(list(seeds))]
    return problems


def _grid_problems(grid: Mapping[str, Sequence[Any]]) -> list[str]:
    problems = [
        f'--grid: {key} must have a list of values, such as "{key}": [1, 2] (got {json.dumps(values)})'
        for key, values in grid.items()
        if not isinstance(values, list) or not values
    ]
    for key, values in grid.items():
        doubled = _doubled([json.dumps(value, sort_keys=True) for value in values] if isinstance(values, list) else [])
        problems += [f"--grid: {key}: {text} stands twice" for text in doubled]
    return problems


def _variant_problems(variants: Mapping[str, Any], grid: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, knobs in variants.items():
        if name == AS_IT_IS:
            problems.append(f"--variants: {name!r} is what the config as it is is called; name it otherwise")
        if not isinstance(knobs, dict) or not knobs:
            problems.append(f"--variants: {name} must have knobs by their dotted paths (got {json.dumps(knobs)})")
            continue
        taken = {"run_dir", "seed"} & set(knobs)
        problems += [f"--variants: {name}: {key} is the sweep's own to set" for key in sorted(taken)]
        problems += [
            f"--variants: {name}: {key} stands in --grid as well; keep one of them" for key in knobs if key in grid
        ]
    return problems


def _folder_problems(member: Member) -> list[str]:
    """A folder of that name may hold a run of another config, which must not count as this one."""
    path = member.folder / "config.json"
    if not path.is_file():
        return []
    try:
        before = read_config(path)
    except UserError as error:
        return error.problems
    dumped = [config.model_dump(mode="json", by_alias=True) for config in (before, member.config)]
    return [
        f"{member.folder}: holds a run of another config: {key} is {json.dumps(now)}, and was {json.dumps(old)}; "
        "give another --output, or remove that folder"
        for key, old, now in differences(*dumped)
    ]


def label(settings: Mapping[str, Any]) -> str:
    """Settings in the name of a folder: "lr=0.001-optimizer=SGD~1f0c"; what was cut or changed is told by a hash."""
    ends = [key.rpartition(".")[2] for key in settings]
    keys = [end if ends.count(end) == 1 else key for key, end in zip(settings, ends, strict=True)]
    whole = "-".join(f"{key}={_word(value)}" for key, value in zip(keys, settings.values(), strict=True))
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}~{_hash(settings)}"


def _word(value: Any) -> str:
    exact = value if isinstance(value, str) else json.dumps(value)
    shown = str(value["name"]) if isinstance(value, dict) and "name" in value else exact
    clean = re.sub(r"[^A-Za-z0-9.+-]+", "_", shown).strip("_")[:_SHORT]
    return clean if clean == exact else f"{clean}~{_hash(value)}"


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=4).hexdigest()


def _doubled(values: Sequence[Any]) -> list[Any]:
    return [value for value in dict.fromkeys(values) if values.count(value) > 1]
