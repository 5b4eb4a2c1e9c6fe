"""What is different between two configs, in words: "optimizer Adam -> SGD (momentum 0.9)"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from operator import attrgetter
from typing import Any

from ...config import Config
from ...config.base import NAME, PLACE, RECORD, SPEED, Section
from ...config.differences import knobs_that_affect
from .rows import Environment

_WORDS = {
    "batch_size": "batch size",
    "micro_batch_size": "micro-batch size",
    "mixed_precision": "precision",
    "cpu_threads": "CPU threads",
    "data.source": "data",
    "model.weights": "weights",
    "optimizer.lr": "learning rate",
    "optimizer.weight_decay": "weight decay",
    "warmup_epochs": "warm-up epochs",
    "gradient_clip_norm": "gradient clipping",
    "select_by": "best epoch by",
    "checkpoint_every_steps": "checkpoint every (steps)",
    "checkpoint_every_minutes": "checkpoint every (minutes)",
    "keep_last": "checkpoints kept",
    "conflict_every_steps": "conflict measured every (steps)",
}
_AUTOMATIC = frozenset({"micro_batch_size", "mixed_precision", "cpu_threads", "data.cache_dir"})


def names() -> tuple[str, ...]:
    """The knobs that name a run and change nothing in it."""
    return knobs_that_affect(NAME)


def manners() -> tuple[str, ...]:
    """The knobs that say how a run is carried out; what it computes stays the same."""
    return knobs_that_affect(PLACE, SPEED, RECORD)


def changes(before: Config, after: Config) -> list[str]:
    """One phrase a change that the figures may depend on, in the order of the config's keys."""
    return [
        phrase
        for key, field in Config.model_fields.items()
        if (field.alias or key) not in names()
        for phrase in _differ(key, getattr(before, key), getattr(after, key))
    ]


def manner_changes(before: Config, after: Config) -> list[str]:
    """One phrase a change in how the run is carried out."""
    pairs = [(path, *(attrgetter(path)(config) for config in (before, after))) for path in manners()]
    return [phrase for path, old, now in pairs for phrase in _phrases(path, old, now)]


def environment_changes(before: Environment, after: Environment) -> list[str]:
    """What two runs ran on, as far as both say it."""
    pairs = [(key, getattr(before, key), getattr(after, key)) for key in ("device", "processes", "mixed_precision")]
    packages = sorted(before.packages.keys() & after.packages.keys())
    pairs += [(name, before.packages[name], after.packages[name]) for name in packages]
    known = [(key, a, b) for key, a, b in pairs if None not in (a, b) and a != b]
    return [f"{_WORDS.get(key, key)} {a} -> {b}" for key, a, b in known]


def in_short(config: Config) -> list[str]:
    """What a config is, for a run that is compared with none."""
    weights = "random weights" if config.model.weights is None else f"weights {config.model.weights}"
    return [
        f"model {config.model.name}, {weights}",
        f"optimizer {_branch(config.optimizer, {'lr': None})}",
        f"scheduler {_branch(config.scheduler, {})}",
        f"{config.epochs} epochs, batch size {config.batch_size}, seed {config.seed}",
        f"data {config.data.source}",
        f"transforms.train: {', '.join(_call(t) for t in config.transforms.train)}",
    ]


def _differ(path: str, before: Any, after: Any) -> list[str]:
    if path in manners():
        return []
    if path == "data" and {before.source, after.source} != {"wardrobe"}:
        after = after.model_copy(update={"wardrobe": before.wardrobe})  # its size is one's only, or nobody's
    return _phrases(path, before, after)


def _phrases(path: str, before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    if isinstance(before, Section) and type(before) is type(after) and not before.model_extra:
        keys = type(before).model_fields
        return [p for key in keys for p in _differ(f"{path}.{key}", getattr(before, key), getattr(after, key))]
    if _is_branch(before) or _is_branch(after):
        theirs = [_arguments(value) for value in (after, before)]
        return [f"{_words(path)} {_branch(before, theirs[0])} -> {_branch(after, theirs[1])}"]
    if isinstance(before, Mapping):
        return _tasks(before, after)
    if _is_list_of(Section, before, after):
        return [f"{path}: {'; '.join(_transforms(before, after))}"]
    if _is_list_of(str, before, after):
        gone, new = ([v for v in a if v not in b] for a, b in ((before, after), (after, before)))
        parts = [f"{sign} {', '.join(names)}" for sign, names in (("+", new), ("-", gone)) if names]
        return [f"{_words(path)}: {'; '.join(parts) or 'in another order'}"]
    # A pair's own name: "model resnet18_relu_linear -> vgg16_relu_linear".
    return [f"{_words(path.removesuffix('.name'))} {_value(path, before)} -> {_value(path, after)}"]


def _is_branch(value: Any) -> bool:
    return isinstance(value, Section) and hasattr(value, "name")


def _is_list_of(kind: type, *values: Any) -> bool:
    return all(isinstance(value, tuple) and all(isinstance(v, kind) for v in value) for value in values)


def _words(path: str) -> str:
    if path.startswith("tasks."):
        _, name, *rest = path.split(".")
        return f"task {name}: {' '.join(rest)}"
    return _WORDS.get(path, path.replace(".", " "))


def _value(path: str, value: Any) -> str:
    if value is None:
        return "automatic" if path in _AUTOMATIC else "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value('', inner) for inner in value)}]"
    return str(value)


def _arguments(value: Section | None) -> dict[str, Any]:
    return {} if value is None else {key: inner for key, inner in value if key not in ("name", "kind")}


def _given(section: Section, theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments worth a word beside another branch with the arguments `theirs`.

    Of those that both have, the ones that differ; of the others, the ones that are not at their default.
    """
    defaults = {key: field.default for key, field in type(section).model_fields.items()}
    return {
        key: value
        for key, value in _arguments(section).items()
        if (value != theirs[key] if key in theirs else key not in defaults or value != defaults[key])
    }


def _branch(section: Section | None, theirs: Mapping[str, Any]) -> str:
    if section is None:
        return "none"
    given = ", ".join(f"{key} {_value(key, value)}" for key, value in _given(section, theirs).items())
    return f"{getattr(section, 'name', '')}{f' ({given})' if given else ''}"


def _call(transform: Section) -> str:
    given = ", ".join(f"{key} {_value(key, value)}" for key, value in _given(transform, {}).items())
    return f"{getattr(transform, 'name', '')}{f'({given})' if given else ''}"


def _tasks(before: Mapping[str, Section], after: Mapping[str, Section]) -> list[str]:
    phrases = [f"+ task {n} ({getattr(t, 'kind', '')})" for n, t in after.items() if n not in before]
    phrases += [f"- task {n} ({getattr(t, 'kind', '')})" for n, t in before.items() if n not in after]
    for name in [name for name in before if name in after]:
        kinds = [getattr(tasks[name], "kind", "") for tasks in (before, after)]
        if kinds[0] == kinds[1]:
            phrases += _differ(f"tasks.{name}", before[name], after[name])
        else:
            phrases.append(f"task {name}: kind {kinds[0]} -> {kinds[1]}")
    return phrases or ["tasks: in another order"]


def _transforms(before: Sequence[Section], after: Sequence[Section]) -> list[str]:
    """Such as ["+ ColorJitter(hue 0.1)", "RandomRotation degrees [-90, 90] -> [-20, 20]"]."""
    old_names, new_names = ([getattr(t, "name", "") for t in transforms] for transforms in (before, after))
    phrases: list[str] = []
    gone: list[Section] = []
    new: list[Section] = []
    for what, a, b, c, d in SequenceMatcher(None, old_names, new_names, autojunk=False).get_opcodes():
        if what == "equal":
            for old, now in zip(before[a:b], after[c:d], strict=True):
                phrases += _changed_arguments(old, now)
        else:
            gone += before[a:b]
            new += after[c:d]
    for transform in [t for t in new if t in gone]:
        gone.remove(transform)
        new.remove(transform)
        phrases.append(f"{_call(transform)} at another place")
    return [f"+ {_call(t)}" for t in new] + [f"- {_call(t)}" for t in gone] + phrases


def _changed_arguments(old: Section, now: Section) -> list[str]:
    before, after = _arguments(old), _arguments(now)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    words = [f"{key} {_value(key, before.get(key))} -> {_value(key, after.get(key))}" for key in changed]
    return [f"{getattr(now, 'name', '')} {', '.join(words)}"] if words else []
