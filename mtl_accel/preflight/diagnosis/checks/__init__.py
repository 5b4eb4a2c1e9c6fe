"""The checks: each is a function of a survey that gives findings, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from ..findings import Finding
from ..survey import Survey
from .copies import check_contradictions, check_copies
from .cost import check_cost, check_knobs
from .giveaways import check_giveaways
from .groups import check_groups
from .labels import check_rates, check_splits
from .pictures import check_broken, check_shapes, check_uniform
from .reading import check_labels, check_reading
from .together import check_together

Check = Callable[[Survey], Iterable[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "reading": check_reading,
        "broken": check_broken,
        "splits": check_splits,
        "copies": check_copies,
        "contradictions": check_contradictions,
        "groups": check_groups,
        "labels": check_labels,
        "rates": check_rates,
        "together": check_together,
        "giveaways": check_giveaways,
        "uniform": check_uniform,
        "shapes": check_shapes,
        "knobs": check_knobs,
        "cost": check_cost,
    }
)
