"""Unions of sections that plugins may add to: what a registered section is to the built-in ones."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Discriminator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Tag
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..base import Section, Strict

BUILT_IN = "built-in"  # pydantic's tag of a section that stands for all names but the registered ones
_added: dict[str, dict[str, type[Section]]] = {}  # by the name of the union, then by that of the section


class Open:
    """Mark in the annotation of a union: it also holds the sections that were added under one of these names.

    The union is told apart by "name". One section alone, such as that of all built-in pairs, whose name is no literal,
    stands for every name that no added section has.
    """

    def __init__(self, *unions: str) -> None:
        self.unions = unions

    def added(self) -> list[type[Section]]:
        """The sections that were added, in their order."""
        return list(dict.fromkeys(section for union in self.unions for section in _added.get(union, {}).values()))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Give pydantic its own discriminated union of all members, so that errors and schemas are its own."""
        added = self.added()
        if not added and not get_args(source):
            return handler(source)
        if get_args(source):
            union = functools.reduce(operator.or_, added, source)
            return handler.generate_schema(Annotated[union, Field(discriminator="name")])
        members = {name: section for section in added for name in _names(section)}

        def tag(value: Any) -> str:
            name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
            return name if isinstance(name, str) and name in members else BUILT_IN

        tagged = [Annotated[section, Tag(name)] for name, section in members.items()]
        union = functools.reduce(operator.or_, tagged, Annotated[source, Tag(BUILT_IN)])
        return handler.generate_schema(Annotated[union, Discriminator(tag)])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the union; a section that stands for every name may fit beside the one that is meant."""
        found = handler(schema)
        if "oneOf" in found and "discriminator" not in found:
            found["anyOf"] = found.pop("oneOf")
        return found


def _names(section: type[BaseModel]) -> tuple[str, ...]:
    return get_args(section.model_fields["name"].annotation)


def annotation_of(field: FieldInfo) -> Any:
    """The annotation of a field with its marks of open unions, which pydantic takes off."""
    annotation = field.annotation
    for mark in field.metadata:
        if isinstance(mark, Open):
            annotation = Annotated[annotation, mark]  # type: ignore[assignment]
    return annotation


def added_sections(annotation: Any) -> list[type[Section]]:
    """The sections that were added to an annotation itself, not to what it holds."""
    if get_origin(annotation) is not Annotated:
        return []
    return [section for mark in get_args(annotation)[1:] if isinstance(mark, Open) for section in mark.added()]


def add_section(union: str, name: str, section: type[Section]) -> None:
    """Add a section to a union, in place of an earlier one of that name, and rebuild the models that hold it."""
    _added.setdefault(union, {})[name] = section
    _rebuild(union)


def remove_section(union: str, name: str) -> None:
    """Take a section out of a union again; nothing happens if it is not there."""
    if _added.get(union, {}).pop(name, None) is not None:
        _rebuild(union)


def _rebuild(union: str) -> None:
    """Build the validators of every model that holds the union anew, inner models first."""
    done: dict[type[BaseModel], bool] = {}  # whether it was affected

    def visit(model: type[BaseModel]) -> bool:
        if model not in done:
            done[model] = False  # of a model that holds itself
            inner = [visit(part) for field in model.model_fields.values() for part in _models_in(annotation_of(field))]
            is_open = any(union in mark.unions for field in model.model_fields.values() for mark in _marks_in(field))
            done[model] = is_open or any(inner)
            if done[model]:
                model.model_rebuild(force=True)
        return done[model]

    for model in _subclasses(Strict):
        visit(model)


def _subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for inner in model.__subclasses__():
        yield inner
        yield from _subclasses(inner)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    yield from added_sections(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _marks_in(field: FieldInfo) -> Iterator[Open]:
    waiting = [annotation_of(field)]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, Open):
            yield annotation
        waiting += get_args(annotation)
