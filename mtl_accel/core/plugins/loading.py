"""How plugins are found: installed ones by their entry points, all others by --plugin or `load_plugin`.

Importing a plugin runs its code. So nothing else names one: no config and no run folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import keyword
import logging
import os
import sys
from collections.abc import Collection, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from ..errors import UserError, collect
from .identity import SCRIPTS, digest, entry_points, module_path, plugin_name
from .registrations import registrations, unregister

logger = logging.getLogger(__name__)

OPTION = "--plugin"
MEANING = "Python file or module that registers networks, losses and other parts; may be given several times."
_REGISTER = "mtl_accel.register_model, register_loss, ..."
_broken: dict[str, str] = {}  # by the plugin's name: why an installed one could not be loaded
_digests: dict[Path, str] = {}  # of files that were given, when they were imported


def registered_by(decorator: str) -> str:
    """End of a message on an unknown name: how one of a plugin is given. `decorator`: such as "register_model"."""
    return f"(one of your own is registered by mtl_accel.{decorator}, in code that {OPTION} FILE_OR_MODULE names)"


def take_plugins(arguments: Sequence[str]) -> list[str]:
    """Load the plugins that --plugin names among the arguments of a command; returns the other arguments.

    Raises:
        UserError: one has no value, or cannot be loaded.
    """
    rest: list[str] = []
    problems: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        option, equals, value = word.partition("=")
        if option != OPTION:
            rest.append(word)
        elif equals or (waiting and not waiting[0].startswith("--")):
            with collect(problems):
                load_plugin(value if equals else waiting.pop(0))
        else:
            problems.append(f"{OPTION}: needs a value, the path of a Python file or the name of a module")
    if problems:
        raise UserError(problems)
    return rest


def load_plugin(plugin: str | Path) -> ModuleType:
    """Import a plugin, which registers what it brings. A file that has changed since is imported again.

    Args:
        plugin: the name of a module, or the path of a Python file, or of the folder of a package.

    Raises:
        UserError: there is no such module or file, another module has its name, it fails, or it registers nothing.
    """
    text = os.fspath(plugin)
    path = Path(text).expanduser()
    is_path = isinstance(plugin, Path) or text.endswith(".py") or os.sep in text or "/" in text
    name = _name_of_path(path) if is_path else text
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        raise UserError(f"{OPTION} {text}: {name!r} is no name of a Python module; rename it to letters, digits and _")
    if is_path:
        _make_importable(path.resolve(), name)
    module = _imported(name, f"{OPTION} {text}")
    if (found := module_path(module)) is not None:
        _digests[found] = digest(found)
    if not registrations(plugin=plugin_name(module.__name__)):
        raise UserError(f"{OPTION} {text}: registers nothing; a plugin calls {_REGISTER} when it is imported")
    return module


def _name_of_path(path: Path) -> str:
    if not path.exists():
        raise UserError(f"{OPTION} {path}: no such file; give the path of a Python file, or the name of a module")
    if path.is_dir() and not (path / "__init__.py").is_file():
        raise UserError(f"{OPTION} {path}: is a folder without __init__.py, so no package; give a Python file in it")
    if path.is_file() and path.suffix != ".py":
        raise UserError(f"{OPTION} {path}: is no Python file; its name must end with .py")
    return path.resolve().stem if path.is_file() else path.resolve().name


def _make_importable(path: Path, name: str) -> None:
    """Append the folder of a file or package to sys.path, by which loader workers find it, too.

    Raises:
        UserError: its name is that of another module.
    """
    loaded = sys.modules.get(name)
    if loaded is not None and module_path(loaded) == path:
        if _digests.get(path) != digest(path):  # as after a change in an editor, beside a notebook
            sys.modules.pop(name)
        return
    _require_free(path, name, has_folder=False)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    _require_free(path, name, has_folder=True)


def _require_free(path: Path, name: str, *, has_folder: bool) -> None:
    """Check that no other module has the name; `has_folder`: and that it finds the file."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    other = getattr(sys.modules[name], "__file__", None) or "built in" if name in sys.modules else None
    if spec is not None and (has_folder or spec.origin is not None):
        own = path / "__init__.py" if path.is_dir() else path
        other = None if spec.origin and Path(spec.origin).resolve() == own else spec.origin or "a folder"
    if other is not None:
        raise UserError(f"{OPTION} {path}: another module is named {name} ({other}); rename the file")


def _imported(name: str, place: str) -> ModuleType:
    """Import a module. What it registered before it failed is taken out again.

    Raises:
        UserError: it cannot be imported, with the cause and its place.
    """
    before = set(map(id, registrations()))
    try:
        module = importlib.import_module(name)
    except Exception as error:
        for registration in [r for r in registrations() if id(r) not in before]:
            unregister(registration)
        problems = error.problems if isinstance(error, UserError) else [_cause(error, name)]
        raise UserError([f"{place}: {problem}" for problem in problems]) from error
    return module


def _cause(error: Exception, name: str) -> str:
    """Why a module cannot be imported, with the innermost line of its own."""
    if isinstance(error, ModuleNotFoundError) and error.name in (name, name.partition(".")[0]):
        return f"there is no module {error.name!r}; install it, or give the path of a Python file that ends with .py"
    traceback, line = error.__traceback__, ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        line = line if "importlib" in file or file == __file__ else f" ({file}, line {traceback.tb_lineno})"
        traceback = traceback.tb_next
    return f"cannot be imported: {type(error).__name__}: {error}{line}"


def load_installed() -> None:
    """Load the plugins of installed packages, once. One that fails is left out, with a warning."""
    waiting = [entry for entry in entry_points() if _name(entry) not in _tried]
    _tried.update(map(_name, waiting))  # first: a plugin may read a config
    for entry in waiting:
        problems: list[str] = []
        with collect(problems):
            _imported(entry.module, _title(entry))
        if problems:
            _broken[plugin_name(entry.module)] = problems[0]
            if int(os.environ.get("RANK", 0)) == 0:
                logger.warning("%s; this plugin is left out", problems[0])


_tried: set[str] = set()


def _name(entry: EntryPoint) -> str:
    return f"{entry.name}={entry.value}"


def _title(entry: EntryPoint) -> str:
    of = "" if entry.dist is None else f" of {entry.dist.metadata['Name']} {entry.dist.version}"
    return f"plugin {entry.name}{of}"


def broken_plugins() -> dict[str, str]:
    """Why installed plugins could not be loaded, by their names."""
    return dict(_broken)


def plugins_of_children(needed: Collection[str] = ()) -> list[str]:
    """Values of --plugin that give another process the plugins of this one, but for installed ones.

    Args:
        needed: names of those that it cannot do without.

    Raises:
        UserError: one of them is a script or a notebook, which cannot be imported.
    """
    installed = {plugin_name(entry.module) for entry in entry_points()}
    found = {r.plugin: r.module for r in registrations() if r.plugin not in installed}
    if scripts := [name for name, module in found.items() if module in SCRIPTS and name in needed]:
        raise UserError(
            f"plugin {scripts[0]}: runs that are processes of their own cannot import a script or a notebook; put what "
            "it registers into a Python file, and load that by mtl_accel.load_plugin(FILE)"
        )
    return [_value_of(name) for name, module in found.items() if module not in SCRIPTS]


def _value_of(name: str) -> str:
    path = None if "." in name else module_path(sys.modules[name])
    return name if path is None else str(path)
