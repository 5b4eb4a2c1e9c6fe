"""The checks: each is a function of a survey that gives findings, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from ..findings import Finding
from ..survey import Survey
from .reading import check_reading

Check = Callable[[Survey], Iterable[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType({"reading": check_reading})
