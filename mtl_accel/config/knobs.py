"""Every knob of the models: its path, type, default and meaning, for --help and for messages."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .extension.open_unions import added_sections, annotation_of

TAGS = ("name", "kind")  # the keys that may say which branch of a union an object is


class Knob(NamedTuple):
    """One key of a config, or the choice of a branch."""

    path: str
    type: str
    default: str
    meaning: str


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation may hold, in order; those of plugins behind the built-in ones."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Literal:
        return []
    inner = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [model for part in inner for model in sections_in(part)] + added_sections(annotation)


class Branch(NamedTuple):
    """The key that makes a model one branch of a union, and its values, such as ("name", ("AdamW",))."""

    key: str
    tags: tuple[str, ...]

    def __str__(self) -> str:
        return " | ".join(grouped(self.tags))


def grouped(names: Sequence[str]) -> list[str]:
    """Names for a message: of those of one library, such as "timm/lion" and "timm/lamb", one entry, "timm/..."."""
    return list(dict.fromkeys(f"{name.partition('/')[0]}/..." if "/" in name else name for name in names))


def branch_of(model: type[BaseModel]) -> Branch | None:
    """The branch that a model is, or None for a model that stands alone."""
    for key in TAGS:
        field = model.model_fields.get(key)
        if field is not None and get_origin(field.annotation) is Literal:
            return Branch(key, get_args(field.annotation))
    return None


def sections_of(annotation: Any, value: Any) -> list[type[BaseModel]]:
    """The models that an annotation may hold; only the branch that the value names, if it names one.

    A name that no branch has is that of a model without a name of its own, such as the section of all built-in pairs.
    """
    sections, keys = sections_in(annotation), value if isinstance(value, dict) else {}
    named = [s for s in sections if (branch := branch_of(s)) and keys.get(branch.key) in branch.tags]
    others = [s for s in sections if branch_of(s) is None] if keys else []
    return named or others or sections


def fields_at(annotation: Any, key: str, value: Any) -> list[FieldInfo]:
    """The fields of a value of a type that a key may mean: none, or one for each branch that has it.

    An entry of a dict or a list is a field without a default.
    """
    if get_origin(annotation) in (dict, tuple):
        return [FieldInfo.from_annotation(get_args(annotation)[get_origin(annotation) is dict])]
    return [section.model_fields[key] for section in sections_of(annotation, value) if key in section.model_fields]


def sections_at(root: Any, path: Sequence[str], value: Any = None) -> list[type[BaseModel]]:
    """The models that may stand at a path such as ["data", "sampler"] of a type and, if given, its value in JSON."""
    annotations = [root]
    for key in path:
        annotations = [annotation_of(field) for a in annotations for field in fields_at(a, key, value)]
        value = entry(value, key)
    return [section for annotation in annotations for section in sections_of(annotation, value)]


def entry(value: Any, key: str) -> Any:
    """An entry of an object or a list of JSON; None if it has no such entry."""
    if isinstance(value, list):
        return value[int(key)] if key.isdecimal() and int(key) < len(value) else None
    return value.get(key) if isinstance(value, dict) else None


def is_text(root: type[BaseModel], path: Sequence[str]) -> bool:
    """Whether the knob at a path such as ["data", "source"] is a text, in every branch that has it."""
    *parents, key = path
    fields = [section.model_fields[key] for section in sections_at(root, parents) if key in section.model_fields]
    return bool(fields) and all(set(get_args(f.annotation) or [f.annotation]) <= {str, type(None)} for f in fields)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """End of a message, such as "; did you mean 'AdamW'?"; empty when no choice is like the word."""
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def type_name(annotation: Any) -> str:
    """An annotation in the terms of JSON: "float | null", "[int, int]", "Adam | AdamW | SGD"."""
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return str(branch_of(annotation) or "section")
    if get_origin(annotation) is Literal:
        return " | ".join(f'"{value}"' for value in get_args(annotation))
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple:
        inner = ", ".join("..." if a is Ellipsis else type_name(a) for a in arguments)
        return f"[{inner}]"
    if get_origin(annotation) is dict:
        return f"{{name: {type_name(arguments[1])}}}"
    if get_origin(annotation) is Annotated:
        added = [type_name(section) for section in added_sections(annotation)]
        return " | ".join(dict.fromkeys([type_name(arguments[0]), *added]))
    if arguments:
        return " | ".join(dict.fromkeys(type_name(a) for a in arguments))
    return {"str": "text", "bool": "true | false"}.get(annotation.__name__, annotation.__name__)


def default_of(field: FieldInfo) -> str:
    """A default as it would stand in the file."""
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        return str(branch_of(type(field.default)) or "")
    return json.dumps(field.default)


def all_knobs(model: type[BaseModel], path: str = "") -> Iterator[Knob]:
    """Every knob of a model and of all that it may hold, in the order of the file."""
    for key, field in model.model_fields.items():
        own = branch_of(model)
        if key == "schema_" or (own and own.key == key):
            continue
        here = f"{path}{key}"
        yield Knob(here, type_name(annotation_of(field)), default_of(field), field.description or "")
        inner = sections_in(annotation_of(field))
        many = (
            ".NAME" if get_origin(field.annotation) is dict else ".N" if get_origin(field.annotation) is tuple else ""
        )
        for section in inner:
            branch = branch_of(section)
            if branch and len(inner) + len(many) > 1:
                tags = " | ".join(f'"{tag}"' for tag in branch.tags)
                yield Knob(f"{here}{many}", f'{{"{branch.key}": {tags}}}', "", section.__doc__ or "")
            # The section of one of a plugin's pairs has the knobs of all pairs, which are listed once.
            listed = {k for other in inner if other in section.__mro__[1:] for k in other.model_fields}
            below = all_knobs(section, f"{here}{many}.")
            yield from (k for k in below if k.path.removeprefix(f"{here}{many}.").partition(".")[0] not in listed)
