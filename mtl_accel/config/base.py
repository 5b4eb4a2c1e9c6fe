"""The base of every section: frozen, strict, and every knob described."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic_core import PydanticCustomError

_MAX_FLOAT = 1e30  # weights and losses are float32, which ends at 3.4e38
_MAX_INTEGER = 2**53  # beyond, JSON's readers disagree on integers


class Affects(NamedTuple):
    """Mark in the annotation of a field: the knob does not affect the result of a run, but one of these.

    "name": how the run is called. "place": where its files lie. "speed": how much of the machine it takes. "record":
    what is logged and saved.
    """

    what: Literal["name", "place", "speed", "record"]


NAME, PLACE, SPEED, RECORD = Affects("name"), Affects("place"), Affects("speed"), Affects("record")


class Strict(BaseModel):
    """An immutable model with finite numbers, to which a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Section(Strict):
    """One section of a config."""

    @field_validator("*")
    @classmethod
    def _can_be_used(cls, value: Any) -> Any:
        _require_usable(value)
        return value


def _require_usable(value: Any) -> None:
    """Refuse numbers that overflow in a computation, and text that is no name of any file."""
    if isinstance(value, float) and abs(value) > _MAX_FLOAT:
        raise ValueError(f"must lie within -{_MAX_FLOAT:g} and {_MAX_FLOAT:g}, as all computing is in float32")
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise ValueError(f"must lie within -{_MAX_INTEGER} and {_MAX_INTEGER}")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("must hold no NUL character")
    if isinstance(value, tuple | dict):
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            _require_usable(inner)


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("must be JSON with finite numbers") from None
    return value


_Argument = Annotated[Any, AfterValidator(_json)]


class WithArguments(Section):
    """A section whose keys, beside those that it knows, are arguments of another library."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Argument]

    @property
    def arguments(self) -> dict[str, Any]:
        """The keys that the section does not know, as they stand in the file."""
        return dict(self.model_extra or {})


def in_one_message(name: str, rule: str) -> WrapValidator:
    """Validator of a value of several forms, with one message of its own: else there is one error for each form."""

    def validated(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(tuple(value) if isinstance(value, list) else value)  # JSON's lists are Python's by then
        except ValidationError:
            raise PydanticCustomError(name, rule) from None

    return WrapValidator(validated)
