"""What a column is taken for, by its cells alone; and that a second reading is named where there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import datasets
import pytest

from mtl_accel.preflight.diagnosis.suggestion.roles import role_of_cells, roles_of_columns


class Case(NamedTuple):
    """A column, what it should be taken for, parts of the reason, and options of its task."""

    name: str
    cells: Sequence
    role: str
    reason: Sequence[str] = ()
    options: dict = {}  # noqa: RUF012 (never changed)


N = range(240)
TAGS = [("red",), ("red", "long dress"), ("blue",), ("blue", "long dress")]
WEATHER = ["haze primary", "clear primary", "haze", "clear", "clear water", "haze water", "primary water", "water"]
SENTENCES = [f"a fine red dress number {n} for the summer" for n in N]
CASES = [
    Case("category", ["xyz"[n % 3] for n in N], "classes", ["3 different texts ('x', 'y', 'z')"]),
    Case("rating", [str(n % 5 + 1) for n in N], "classes", ["5 whole numbers", "regression or ordinal"]),
    Case("category", [f"{n % 3 + 1}.0" for n in N], "classes", ["3 whole numbers"]),
    Case("label", [f"breed {n % 120}" for n in N], "classes", ["120 different texts"]),  # by its name, 2 rows each
    Case("x", [f"breed {n % 120}" for n in N], "nothing", ["120 values in 240 rows", "set group_column"]),
    Case(
        "colour",
        [["red", "blue", "None"][n % 3] for n in N],
        "classes",
        ["'None' is a class, too", '"values": {"None": null}'],
    ),
    Case("kind", [["-1", "2", "3"][n % 3] for n in N], "classes", ["'-1' is a class, too"]),
    Case("zip", [str(n % 2) for n in N], "label", ["yes in 50% of the rows"]),
    Case("zip", [["1.0", "0.0"][n % 2] for n in N], "label"),
    Case("zip", [["TRUE", "False"][n % 2] for n in N], "label"),
    Case("zip", [["yes", "no", "NA", None][n % 4] for n in N], "label", ["yes in 50% of the rows"]),
    Case("zip", [["-1", "1"][n % 2] for n in N], "label", [], {}),
    Case(
        "zip",
        [["-1", "0", "1"][n % 3] for n in N],
        "label",
        ['if it is a no, write "values": {"-1": 0}'],
        {"values": {"-1": None}},
    ),
    Case("sex", [["m", "f"][n % 2] for n in N], "classes", ["2 different texts"]),
    Case("zip", ["1"] * 240, "nothing", ["'1' in all rows that are not blank"]),
    Case("tick", [["x", None][n % 2] for n in N], "nothing", ["'x' in all rows that are not blank"]),
    Case("empty", [None] * 240, "nothing", ["all blank"]),
    Case("empty", ["NA"] * 240, "nothing", ["all blank"]),
    Case("tags", [TAGS[n % 4] for n in N], "list", ["lists of names"]),
    Case("tags", [str(list(TAGS[n % 4])) for n in N], "list", ["in brackets"]),
    Case("tags", [["['red' 'long']", "['red']"][n % 2] for n in N], "nothing", ["cannot be read"]),
    Case(
        "tags",
        [";".join(TAGS[n % 4]) for n in N],
        "list",
        ["3 names ('blue', 'long dress', 'red')", "by ';'", "one class"],
        {"delimiter": ";"},
    ),
    Case(
        "tags",
        [WEATHER[n % 8] for n in N],
        "list",
        ["4 names"],
        {"delimiter": " "},
    ),
    Case("category", [["Tops, shirts", "Dresses", "Coats & jackets"][n % 3] for n in N], "classes"),
    Case("category", [["long dress", "short dress", "coat"][n % 3] for n in N], "classes"),
    Case("price", [str(250_000 + 997 * (n * 77 % 240)) for n in N], "numbers", ["from 250000 to", "if it is an id"]),
    Case(
        "price", [str(round(1.02**n * 3, 3)) for n in range(500)], "numbers", ["orders of magnitude"], {"log1p": True}
    ),
    Case("weight", [["0.5", "1.0", "1.5"][n % 3] for n in N], "numbers", ["numbers from 0.5 to 1.5"]),
    Case("temperature", [str(n - 120) for n in (k * 7 % 201 for k in N)], "numbers", ["from -120"]),
    Case("amount", ["1,234.5" if n % 2 else f"{n},000.5" for n in N], "nothing"),
    Case("row", [str(n) for n in N], "nothing", ["an id"]),
    Case("place", [str(n + 1) for n in N], "nothing", ["an id"]),
    Case("ean", [str(40_000_000_000 + n * 7919) for n in N], "nothing", ["codes"]),
    Case("postcode", [f"{n * 31 % 1000:05}" for n in N], "nothing", ["codes, such as '00000'"]),
    Case("code", [f"A-{n:x}" for n in N], "nothing", ["another text in every row"]),
    Case("remark", SENTENCES, "nothing", ["free text, such as 'a fine red dress"]),
    Case("thumbnail", [f"small/{n}.jpg" for n in N], "nothing", ["names of image files"]),
    Case("link", [f"https://example.org/{n % 4}" for n in N], "nothing", ["addresses"]),
    Case("date", [f"2024-05-{n % 28 + 1:02}" for n in N], "nothing", ["dates"]),
    Case("kfold", [str(n % 5 + 1) for n in N], "fold", ["fold 1 of 5 is held out"], {"fold": 1}),
    Case("PatientID", [f"p{n % 40}" for n in N], "group", ["40 values in 240 rows, groups by its name"]),
    Case("product id", [f"p{n % 40}" for n in N], "group"),
    Case("group", ["abc"[n % 3] for n in N], "classes"),  # too few for a hold-out
    Case("patient_id", [f"p{n}" for n in N], "nothing", ["an id"]),
]


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{number} {case.name} {case.cells[1]}" for number, case in enumerate(CASES)]
)
def test_a_column_is_taken_for_what_its_cells_say(case):
    found = role_of_cells(case.name, Counter(cell for cell in case.cells if cell is not None))
    assert (found.role, dict(found.options)) == (case.role, case.options), found
    assert [part for part in case.reason if part not in found.reason] == [], found.reason


def test_columns_are_read_from_a_table_with_their_types():
    table = datasets.Dataset.from_dict(
        {
            "category": ["x", "y"] * 8,
            "price": [1.5, 2.25, None, 8.0] * 4,
            "tags": [["red"], ["red", "long"]] * 8,
            "box": [{"x": 1, "y": 2}] * 16,
        }
    )
    found = {column.name: column for column in roles_of_columns(table, table.column_names)}
    roles = {name: column.role for name, column in found.items()}
    assert roles == {"category": "classes", "price": "numbers", "tags": "list", "box": "nothing"}
    assert dict(found["category"].counts) == {"x": 8, "y": 8}
