"""The base of every section: frozen, strict, and every knob described."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError


class Affects(NamedTuple):
    """Mark in the annotation of a field: the knob does not affect the result of a run, but one of these.

    "name": how the run is called. "place": where its files lie. "speed": how much of the machine it takes. "record":
    what is logged and saved.
    """

    what: Literal["name", "place", "speed", "record"]


NAME, PLACE, SPEED, RECORD = Affects("name"), Affects("place"), Affects("speed"), Affects("record")


class Section(BaseModel):
    """One section of a config: immutable, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def in_one_message(name: str, rule: str) -> WrapValidator:
    """Validator of a value of several forms, with one message of its own: else there is one error for each form."""

    def validated(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(tuple(value) if isinstance(value, list) else value)  # JSON's lists are Python's by then
        except ValidationError:
            raise PydanticCustomError(name, rule) from None

    return WrapValidator(validated)
