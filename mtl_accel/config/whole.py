"""A whole config: one JSON file, one run."""

from __future__ import annotations

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from .findings import findings_of
from .root import Root


class Config(Root):
    """Everything that decides what a run does. Two runs of one config end with the same weights."""

    @model_validator(mode="after")
    def _whole(self) -> Config:
        found = findings_of(self)
        if found:
            # One error that carries all of them: `reading` unpacks the list.
            raise PydanticCustomError("whole_config", "{findings}", {"findings": found})
        return self
