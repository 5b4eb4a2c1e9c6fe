"""The list of views of test-time augmentation: its forms, and what is told of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from mtl_accel.core.errors import UserError
from mtl_accel.inference.tta import TTA, parse

FORMS: list[tuple[Any, TTA]] = [
    (None, TTA()),
    ("", TTA()),
    ([], TTA()),
    ("mirror", TTA(mirror=True)),
    ("mirror, scales=0.9:1.1 ,crops=5", TTA(True, (0.9, 1.1), True)),
    ('["mirror", {"scales": [0.9, 1.1]}, {"crops": 5}]', TTA(True, (0.9, 1.1), True)),
    (["mirror", {"scales": [0.9, 1.1], "crops": 5}], TTA(True, (0.9, 1.1), True)),
    (("scales=1.15", "crops=5"), TTA(scales=(1.15,), has_crops=True)),
    ([{"scales": 2}], TTA(scales=(2.0,))),
    ("scales=1.0000001:2", TTA(scales=(1.0000001, 2.0))),
    (TTA(True), TTA(mirror=True)),
]


@pytest.mark.parametrize(("given", "expected"), FORMS)
def test_a_list_has_one_form_on_the_command_line_and_one_in_python(given: Any, expected: TTA) -> None:
    assert parse(given) == expected
    assert parse(str(expected)) == expected
    assert parse(given, flip=True) == TTA(True, expected.scales, expected.has_crops)


def test_the_number_of_views_is_that_of_all_combinations() -> None:
    lists = ["mirror", "scales=0.7:1.25", "mirror,scales=1.1", "crops=5", "mirror,scales=0.6,crops=5"]
    assert [parse(tta).num_views for tta in (None, *lists)] == [1, 2, 3, 4, 5, 20]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("miror", ["'miror' is none of mirror, scales, crops"]),
        ("mirror,mirror", ["mirror stands twice"]),
        ("mirror=2", ["mirror takes no value, and got '2'"]),
        ([{"mirror": False}], ["mirror takes no value, and got False"]),
        ("scales", ["scales: True must be a number from 0.25 to 4"]),
        ("scales=", ["scales: '' must be a number"]),
        ([{"scales": []}], ["scales: needs at least one number"]),
        (
            [{"scales": [9, "x", 1, 2, 2]}],
            ["scales: 9 must be", "scales: 'x' must be", "1 is always", "2 stands twice"],
        ),
        ("scales=nan:inf", ["scales: 'nan' must be", "scales: 'inf' must be"]),
        ("crops=10", ["crops=10 must be 5; ten crops are mirror,crops=5"]),
        ("crops", ["crops=True must be 5"]),
        ("crops=10,scales=0,zoom", ["crops=10 must be 5", "scales: '0' must be", "'zoom' is none of"]),
        ('["mirror"', ["is no JSON"]),
        ("[" * 100_000, ["is no JSON"]),
        ([{"scales": 10**400}], ["must be a number from 0.25 to 4"]),
        ([7], ["7 is neither a name nor a name with a value"]),
        (7, ["7 is no list"]),
    ],
)
def test_all_that_is_wrong_with_a_list_is_told_at_once_and_what_it_looks_like(given: Any, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        parse(given)
    *problems, form = caught.value.problems
    assert len(problems) == len(parts) and all(problem.startswith("tta: ") for problem in problems)
    assert [part for part, problem in zip(parts, problems, strict=True) if part not in problem] == []
    assert "mirror,scales=0.9:1.1" in form and '["mirror", {"scales": [0.9, 1.1]}, {"crops": 5}]' in form
