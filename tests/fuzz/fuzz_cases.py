"""Strategies for hostile values and bytes, shared by the fuzz tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# FUZZ=20 pytest tests/fuzz: twenty times as many cases, and other ones each time.
TIMES = int(os.environ.get("FUZZ", "1"))

HOSTILE_TEXTS = st.sampled_from(
    [
        *("", " ", "\0", "a\0b", "\x1b[2J", "../../etc/passwd", "/dev/zero", "~", "nan", "-inf", "1e999", "None"),
        *("\ud800", "\u202egnp.x", "a" * 5000, "\N{LATIN SMALL LETTER DOTLESS I}", "%s%n", "=1+1", "['a', 'b']"),
        *("{", '"', "\r\n"),
    ]
)
HOSTILE_NUMBERS = st.sampled_from(
    [
        *(0, -1, 1, 2, 2**31, 2**53 + 1, 2**63, 10**21, 10**400, 0.0, -0.0, 0.5, 1.5, -0.5),
        *(1e-308, 1e30, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    ]
)
HOSTILE_VALUES: st.SearchStrategy[Any] = st.one_of(
    HOSTILE_NUMBERS,
    HOSTILE_TEXTS,
    st.text(max_size=8),
    st.sampled_from([None, True, False, [], {}, [[]], [None], {"name": "x"}, {"": {}}, [0, 0], [1e308, -1e308]]),
)


def cases(number: int) -> Callable[[Any], Any]:
    """So many cases of a test, times FUZZ."""
    return settings(
        max_examples=number * TIMES,
        deadline=60_000,  # milliseconds of one case: a hang, not a slow machine
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with some cut, changed, doubled or inserted."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.sampled_from([1, 1, 1, 2, 4, 16, 256]))
        piece = draw(
            st.one_of(
                st.binary(min_size=length, max_size=length),
                st.sampled_from([b"\0", b"\xff"]).map(lambda b, n=length: b * n),
            )
        )
        kind = draw(st.sampled_from(["set", "set", "insert", "cut", "end", "double"]))
        if kind == "set":
            content[at : at + length] = piece
        elif kind == "insert":
            content[at:at] = piece
        elif kind == "cut":
            del content[at : at + length]
        elif kind == "end":
            del content[at:]
        else:
            content[at:at] = content[at : at + length]
    return bytes(content)
