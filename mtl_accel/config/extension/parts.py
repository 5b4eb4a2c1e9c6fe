"""Parts that plugins register, each with its section of the config."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args, get_origin

from pydantic import create_model

from ...core.plugins import registrations
from ...core.plugins.registrations import Registration
from ..base import Section
from .open_unions import add_section, remove_section

_OWN = "mtl_accel."  # modules of the built-in parts


@dataclass(frozen=True)
class Table:
    """A registry that plugins add to.

    Attributes:
        kind: of its members, such as "model".
        members: by name.
        base: of their sections.
        unions: of the config, that hold these.
    """

    kind: str
    members: dict[str, Any]
    base: type[Section]
    unions: tuple[str, ...]

    def register(
        self, name: str, target: Any, section: type[Section] | None, module: str, function: Any = None
    ) -> None:
        """Add a part that a module brings, with its section; None: one without knobs of its own.

        Args:
            function: the plugin's own, where the target is a record of it.

        Raises:
            UserError: the name is taken, or the section is none of this name.
        """

        def add() -> None:
            self.members[name] = target
            for union in self.unions:
                add_section(union, name, found)

        def remove() -> None:
            self.members.pop(name, None)
            for union in self.unions:
                remove_section(union, name)

        plain = Registration(self.kind, name, target, module, function=function)
        found = _section_without_knobs(plain, self.base) if section is None else section
        if rules := _section_problems(found, name, self.base):
            raise registrations.problem(plain, "; ".join(rules))
        registration = Registration(self.kind, name, target, module, found, add, remove, function)
        registrations.register(registration, self.built_in())

    def built_in(self) -> list[str]:
        """Names of the members that are this package's own."""
        own = [name for name, member in self.members.items() if member.__module__.startswith(_OWN)]
        return [name for name in own if registrations.find(self.kind, name) is None]


def _section_without_knobs(part: Registration, base: type[Section]) -> type[Section]:
    described = (part.code.__doc__ or f"Of the plugin {part.plugin}.").strip().partition("\n")[0]
    name: Any = (Literal[str(part.name)], ...)
    title = f"{part.name}_section"
    section = create_model(title, __base__=base, __module__=part.module, __doc__=described, name=name)
    vars(sys.modules[part.module])[title] = section  # where the processes of a loader look for it
    return section


def _section_problems(section: Any, name: str, base: type[Section]) -> Sequence[str]:
    if not isinstance(section, type) or not issubclass(section, base):
        return [f"config={section!r} is no subclass of mtl_accel.{base.__name__}"]
    field = section.model_fields.get("name")
    annotation = None if field is None else field.annotation
    if get_origin(annotation) is not Literal or get_args(annotation) != (name,):
        return [f'its section {section.__qualname__} must have the field "name: Literal[{name!r}]"']
    return []


def refuse(kind: str, name: str, target: Any, module: str, rule: str) -> NoReturn:
    """Raise the UserError of a part that cannot be registered."""
    raise registrations.problem(Registration(kind, name, target, module), rule)


def require_subclass(kind: str, name: str, target: Any, base: type, module: str) -> None:
    """Check the class of a part.

    Raises:
        UserError: it is no subclass of `base`.
    """
    if not isinstance(target, type) or not issubclass(target, base):
        shown = getattr(target, "__qualname__", repr(target))
        refuse(kind, name, target, module, f"{shown} is no subclass of mtl_accel.{base.__name__}")
