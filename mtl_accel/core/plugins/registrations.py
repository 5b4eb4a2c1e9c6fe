"""What plugins have registered, and who: no name stands for two things."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from .identity import forget_plugin, plugin_name

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_registered: dict[tuple[str, str], Registration] = {}


@dataclass(frozen=True)
class Registration:
    """One part that a plugin brings.

    Attributes:
        kind: "model", "multiclass loss", ...
        name: in configs.
        target: what this package uses: the class or function, or the record of a metric.
        module: of the code that registered it.
        section: its section of the config; None of a part that has none.
        add: puts it where this package looks for it.
        remove: takes it out again.
        function: the plugin's own, where the target is a record of it.
    """

    kind: str
    name: str
    target: Any
    module: str
    section: type | None = None
    add: Callable[[], None] = field(default=lambda: None, repr=False)
    remove: Callable[[], None] = field(default=lambda: None, repr=False)
    function: Any = None

    @property
    def plugin(self) -> str:
        """Name of the plugin."""
        return plugin_name(self.module)

    @property
    def use(self) -> str:
        """Kind and name in one text, such as "model my_net"."""
        return f"{self.kind} {self.name}"

    @property
    def place(self) -> str:
        """Where it is defined, such as "my_nets.Net"."""
        return f"{self.module}.{getattr(self.code, '__qualname__', self.name)}"

    @property
    def code(self) -> Any:
        """The class or function of the plugin."""
        return self.target if self.function is None else self.function


def calling_module() -> str:
    """Name of the module whose code calls the function that calls this one."""
    return str(sys._getframe(2).f_globals.get("__name__", "__main__"))


def register(registration: Registration, built_in: Collection[str]) -> None:
    """Add a part; one that the same code has registered before is replaced, as when a module or a cell runs again.

    Args:
        built_in: names of that kind that are this package's own.

    Raises:
        UserError: the name is taken, or is none.
    """
    kind, name = registration.kind, registration.name
    before = _registered.get((kind, name))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise problem(registration, f"{name!r} must be letters, digits, _ and -, and begin with a letter")
    if name in built_in:
        raise problem(registration, f"a built-in {kind} has this name; choose another one")
    if before is not None and before.plugin != registration.plugin:
        other = f"the plugin {before.plugin} ({before.place}) has registered that name; rename one of the two"
        raise problem(registration, f"{other}, or leave one of the plugins out")
    if before is not None and before.place != registration.place:
        raise problem(
            registration, f"{before.place} has that name already, and so has {registration.place}; rename one of them"
        )
    if before is not None:
        unregister(before)
    registration.add()
    _registered[kind, name] = registration
    forget_plugin(registration.plugin)  # its code may have changed


def problem(registration: Registration, rule: str) -> UserError:
    """The error of a registration that cannot be."""
    return UserError(f"plugin {registration.plugin}: {registration.kind} {registration.name!r}: {rule}")


def unregister(registration: Registration) -> None:
    """Take a part out again."""
    registration.remove()
    _registered.pop((registration.kind, registration.name), None)


def registrations(kind: str | None = None, plugin: str | None = None) -> list[Registration]:
    """All that is registered now, in the order in which it was; of one kind or one plugin."""
    return [r for r in _registered.values() if kind in (None, r.kind) and plugin in (None, r.plugin)]


def find(kind: str, name: str) -> Registration | None:
    """The part of a kind and name; None if no plugin brings it."""
    return _registered.get((kind, name))
