"""Check before the first step that all processes of a launch have the same config, code and data."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import datasets
import numpy as np
from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor

from ..config import Config
from ..config.differences import flatten, host_knobs
from ..config.rules.plugin_uses import Records, used_plugins
from ..core import atomic_io
from ..core.errors import UserError
from ..data.labels.dataset import LabeledDataset
from ..data.labels.reader import Targets
from ..data.loading.pixels import Pixels
from ..data.sources.splits import ids_of
from ..runs import manifest

T = TypeVar("T")

_MAX_SHOWN = 8  # differences in one error
_NUM_IMAGES = 16  # of a split that are compared
# The packages that compute the numbers of a run: another version decodes, draws or adds differently.
_PACKAGES = ("torch", "torchvision", "accelerate", "numpy", "pillow")
_SAME_DATA = "give all of them the same rows with the same labels in the same order"


class Process(NamedTuple):
    """One process of a launch."""

    host: str
    rank: int


class Facts(NamedTuple):
    """Values that have to be equal on all processes, by the names that messages give them, and the fix."""

    values: Mapping[str, str]
    fix: str


def on_every_process(action: Callable[[], T]) -> T:
    """Call `action`; where it fails on one process, all of them end with its problems.

    Otherwise the others would wait in the next collective until the connection breaks. Every process has to call it.

    Raises:
        UserError: what was wrong on any process, errors of the operating system among them.
    """
    problems: list[str] = []
    try:
        result = action()
    except UserError as error:
        problems = error.problems
    except OSError as error:
        problems = [atomic_io.describe_error(error)]
    raise_together(problems)
    return result


def raise_together(problems: Iterable[str]) -> None:
    """End every process when one of them has a problem. Every process has to call it.

    Raises:
        UserError: the problems of all processes; each with its hosts, where not all of them have it.
    """
    by_problem: dict[str, list[Process]] = {}
    for process, theirs in _gather(list(problems)):
        for problem in theirs:
            by_problem.setdefault(problem, []).append(process)
    if by_problem:
        size = PartialState().num_processes
        lines = [
            problem if len(processes) == size else f"on {_format_processes(processes)}: {problem}"
            for problem, processes in by_problem.items()
        ]
        raise UserError(lines, everywhere=size > 1)


def require_equal(*facts: Facts) -> None:
    """End every process where a value differs between them. Every process has to call it.

    It costs one small collective, of a digest. Of values whose names begin alike up to a colon, such as "train: ids"
    and "train: order", the error names the first that differs.

    Raises:
        UserError: each value that differs, with its hosts.
    """
    if _is_alone() or len({digest for _, digest in _gather(_digest(facts))}) == 1:
        return
    problems: dict[str, str] = {}
    gathered = _gather([dict(fact.values) for fact in facts])
    for index, fact in enumerate(facts):
        for key in dict.fromkeys(key for _, theirs in gathered for key in theirs[index]):
            by_value: dict[str, list[Process]] = {}
            for process, theirs in gathered:
                by_value.setdefault(theirs[index].get(key, "not there"), []).append(process)
            if len(by_value) > 1:
                values = " and ".join(
                    f"{value} on {_format_processes(processes)}" for value, processes in by_value.items()
                )
                problems.setdefault(key.partition(":")[0], f"{key} is {values}; {fact.fix}")
    more = [f"and {len(problems) - _MAX_SHOWN} more that differ"] if len(problems) > _MAX_SHOWN else []
    raise UserError([*list(problems.values())[:_MAX_SHOWN], *more], everywhere=True)


def require_same_start(config: Config | None, ambient: Mapping[str, str]) -> None:
    """Require the same code and versions, config, and environment.

    Args:
        config: None: of a script that trains nothing, whose config only says where the host's files are.
        ambient: what `ambient.in_effect` found.
    """
    if _is_alone():
        return
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    versions["mtl_accel"] = f"{importlib.metadata.version('mtl_accel')} with the code {_code_digest()}"
    knobs = {} if config is None else flatten(config.model_dump(mode="json", by_alias=True))
    apart = host_knobs()
    shared = {key: json.dumps(value) for key, value in knobs.items() if key not in apart}
    require_equal(
        Facts(versions, "install the same on all of them"),
        _plugin_facts({} if config is None else used_plugins(config)),
        Facts(ambient, "set the same on all of them"),
        Facts(shared, "start all of them with the same config"),
    )


def _plugin_facts(plugins: Records) -> Facts:
    fix = "install the same on all of them, or give all of them the same --plugin"
    return Facts({f"plugin {name}": record.title for name, record in plugins.items()}, fix)


def require_same_data(labelled: LabeledDataset) -> None:
    """Require the same tasks, and the same rows of every split with their labels in the same order."""
    if _is_alone():
        return
    values = {f"tasks.{name}": f"{task.kind} of {', '.join(task.classes)}" for name, task in labelled.tasks.items()}
    for split, table in labelled.splits.items():
        values |= _row_digests(split, table, labelled.targets[split])
    require_equal(Facts(values, _SAME_DATA))


def require_same_checkpoint(folder: Path | None) -> None:
    """Require the same checkpoint to resume from, which every process reads for itself; None: the run starts anew."""
    if _is_alone():
        return
    where = "none"
    if folder is not None:
        where = f"{folder.name} (digest {_digest([(folder / manifest.NAME).read_bytes()])})"
    fix = "put the run folder on a disk that all of them share, or copy its checkpoints to all of them"
    require_equal(Facts({"the checkpoint to resume from": where}, fix))


def require_same_inputs(
    split: str,
    table: datasets.Dataset,
    targets: Mapping[str, Targets],
    weights: Iterable[Tensor],
    plugins: Records | None = None,
) -> None:
    """Require the same rows of one split, with their labels where they are known, the same weights and plugins."""
    if _is_alone():
        return
    model = _digest(np.ascontiguousarray(tensor.detach().cpu().numpy()) for tensor in weights)
    require_equal(
        Facts({"the model: weights (digest)": model}, "give all of them the same run"),
        _plugin_facts(plugins or {}),
        Facts(_row_digests(split, table, targets), _SAME_DATA),
    )


def require_same_pictures(splits: Mapping[str, Pixels]) -> None:
    """Require the same pixels of some images of each split, spread over it, as the transforms get them."""
    if _is_alone():
        return

    def digests() -> dict[str, str]:
        found = {}
        for name, pixels in splits.items():
            rows = np.unique(np.linspace(0, len(pixels) - 1, _NUM_IMAGES).astype(np.int64))
            images = pixels.read(rows)
            parts = [images] if isinstance(images, Tensor) else images
            found[f"data of {name}: pictures (digest)"] = _digest(part.cpu().numpy() for part in parts)
        return found

    require_equal(Facts(on_every_process(digests), "give all of them the same image files"))


def _row_digests(split: str, table: datasets.Dataset, targets: Mapping[str, Targets]) -> dict[str, str]:
    """Values that differ where rows are missing, are others, are in another order, or have other labels."""
    ids, name = list(ids_of(table)), f"data of {split}"
    values = {
        f"{name}: number of rows": str(len(ids)),
        f"{name}: ids (digest)": _digest(sorted(ids)),
        f"{name}: order of rows (digest)": _digest(ids),
    }
    return values | {f"{name}: labels of {task} (digest)": _digest(arrays) for task, arrays in targets.items()}


def _is_alone() -> bool:
    """Whether there is no other process, so that nothing has to be read or hashed."""
    return PartialState().num_processes == 1


def _gather(value: T) -> list[tuple[Process, T]]:
    """Return the value of each process, in their order."""
    state = PartialState()
    here = Process(socket.gethostname(), state.process_index), value
    return [here] if _is_alone() else gather_object([here])


def _format_processes(processes: Iterable[Process]) -> str:
    """Name processes by host, such as "box-a (process 0), box-b (processes 4, 5, 6, 7)"."""
    ranks: dict[str, list[str]] = {}
    for host, rank in processes:
        ranks.setdefault(host, []).append(str(rank))
    return ", ".join(f"{h} (process{'es' if len(r) > 1 else ''} {', '.join(r)})" for h, r in ranks.items())


def _code_digest() -> str:
    """Digest of the package's own modules, since two commits may have the same version."""
    folder = Path(__file__).parent.parent
    return _digest(part for file in sorted(folder.rglob("*.py")) for part in (file.name, file.read_bytes()))


def _digest(parts: Iterable[object]) -> str:
    """Digest of arrays and bytes by their content, and of anything else by its `repr`."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        content = part.tobytes() if isinstance(part, np.ndarray) else part
        content = content if isinstance(content, bytes) else repr(content).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
