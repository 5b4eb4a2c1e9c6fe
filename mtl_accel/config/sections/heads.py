"""The section `head`: from the features of a backbone to the logits of a task."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ..base import Section
from ..extension.open_unions import Open

_DROPOUT = "Share of the features that are dropped out in training, before each Linear that gives logits."


class LinearHead(Section):
    """One Linear on pooled features."""

    name: Literal["linear"]
    dropout: float = Field(0.0, ge=0, lt=1, description=_DROPOUT)


class ReluLinearHead(Section):
    """ReLU and one Linear on pooled features: negative features count as 0."""

    name: Literal["relu_linear"]
    dropout: float = Field(0.0, ge=0, lt=1, description=_DROPOUT)


class MLPHead(Section):
    """Linear, GELU, Dropout and Linear on pooled features: one hidden layer for each task."""

    name: Literal["mlp"]
    hidden: int = Field(512, gt=0, le=65_536, description="Width of the hidden layer.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the hidden features that are dropped out.")


class QueryHead(Section):
    """One learned query for each output attends to the feature map: ML-Decoder (Ridnik et al., 2021)."""

    name: Literal["query"]
    width: int = Field(256, gt=0, le=16_384, description="Width of queries, keys and values.")
    num_heads: int = Field(8, gt=0, le=1024, description="Heads of the attention; they divide the width.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share that is dropped out of attention and hidden layer.")

    @field_validator("num_heads")
    @classmethod
    def _divide_the_width(cls, num_heads: int, info: ValidationInfo) -> int:
        width = info.data.get("width")  # missing where it is wrong itself
        if width is not None and width % num_heads:
            raise ValueError(f"must divide the width, {width}")
        return num_heads


_AnyHead = Annotated[LinearHead | ReluLinearHead | MLPHead | QueryHead, Open("head")]
_HeadName = Literal["linear", "relu_linear", "mlp", "query"]
HEAD_NAMES: tuple[str, ...] = get_args(_HeadName)


def _as_section(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


# A name alone stands for the head with its default options.
Head = Annotated[_AnyHead, BeforeValidator(_as_section, json_schema_input_type=_HeadName | _AnyHead)]
