"""Tables of JSON in the forms that have one reading; what no table can hold is an error with its line."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.core.errors import UserError
from mtl_accel.data.sources.table_cache import TableCache
from mtl_accel.data.sources.tables.read_table import READERS

FRAME = pd.DataFrame({"image": ["0.png", "1.png"], "label": ["x", None], "a": [1, 0]})
EXPECTED = {"id": ["0.png", "1.png"], "label": ["x", None], "a": [1, 0]}
RECORDS = FRAME.to_json(orient="records")
FORMS = {
    "records": RECORDS,
    "records over lines": json.dumps(json.loads(RECORDS), indent=2),
    "lines": FRAME.to_json(orient="records", lines=True),
    "columns by pandas": FRAME.to_json(orient="columns"),
    "columns of some rows": pd.concat([FRAME, FRAME]).set_axis([7, 3, 9, 4])[:2].to_json(orient="columns"),
    "lists": json.dumps(json.loads(FRAME.to_json(orient="columns", index=True)) and FRAME.to_dict(orient="list")),
}
FORMS["lists"] = FORMS["lists"].replace("NaN", "null")


def _table(root, text: str, name: str = "labels.json"):
    for image in ("0.png", "1.png"):
        draw(root / image)
    return write(root / name, text)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_with_one_reading_gives_the_same_table(form, tmp_path):
    source = load_source(_table(tmp_path, FORMS[form]))
    train = source.splits["train"]
    assert {name: train[name][:] for name in EXPECTED} == EXPECTED and train.column_names == [
        "id",
        "image",
        "label",
        "a",
    ]


def test_one_object_is_a_table_of_one_row(tmp_path):
    train = load_source(_table(tmp_path, '{"image": "0.png", "tags": ["a", "b"]}')).splits["train"]
    assert train["tags"][:] == [["a", "b"]]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (FRAME.to_json(orient="index"), "it is an object, but not one of columns of the same rows. Write a list of"),
        (FRAME.to_json(orient="split"), "it is an object, but not one of columns of the same rows"),
        ('{"image": ["0.png"], "a": [1, 2]}', "it is an object, but not one of columns of the same rows"),
        ('{"0": {"0": 1}}', "it is an object, but not one of columns of the same rows"),
        ("3", "line 1: it is no table in JSON"),
        ("", "line 1: it is no table in JSON"),
        ("[]", "it has no rows"),
        ('[{"image": "0.png"},\n 3]', "line 2: 3 is no object"),
        ('[{"image": "0.png"}\n {}]', "line 2: not JSON: a comma or the end of the list is missing"),
        ('[{"image": "0.png"}', "line 1: not JSON: a comma or the end of the list is missing"),
        ('[{"image": "0.png"},\n]', "line 2: not JSON"),
        ('[{"image": "0.png"}]\n[]', "line 1: not JSON: there is more text behind the list"),
        ('{"image": "0.png"', "labels.json: not JSON"),
        ('[{"image": "0.png",\n "a": 1}, {"a": 1, "a": 2}]', "line 2: not JSON: key 'a' stands twice in an object"),
    ],
)
def test_other_forms_are_an_error_that_shows_the_right_one(text, rule, tmp_path):
    assert rule in problems(_table(tmp_path, text))


UNTABLED = {
    "integer beyond 64 bits": (str(2**70), "key 'a': a whole number beyond 64 bits. Write it as text, in quotes"),
    "lone surrogate": ('"\\ud800"', "key 'a': a text with half a character (a lone surrogate)"),
    "deep brackets": ("[" * 100_000 + "]" * 100_000, "not JSON: brackets are nested too deeply"),
    "mixed list": ('[1, "x"]', "key 'a': "),
}


@pytest.mark.parametrize("name", ["labels.json", "labels.jsonl"])
@pytest.mark.parametrize("kind", UNTABLED)
def test_a_value_that_no_table_holds_is_an_error_with_its_line(kind, name, tmp_path):
    value, rule = UNTABLED[kind]
    rows = ['{"image": "0.png", "a": null}', f'{{"image": "1.png", "a": {value}}}']
    text = "\n".join(rows) if name == "labels.jsonl" else "[" + ",\n".join(rows) + "]"
    message = problems(_table(tmp_path, text, name))
    assert rule in message and f"{tmp_path / name}, line 2: " in message


def test_a_key_that_is_no_text_is_an_error_with_its_line(tmp_path):
    assert "line 1: the key '\\ud800' holds half a character" in problems(_table(tmp_path, '[{"\\ud800": 1}]'))
    assert "row 1 (from 0): key 'a': a whole number beyond" in problems(_table(tmp_path, f'{{"a": [1, {2**70}]}}'))


@pytest.mark.parametrize("reader", READERS.values())
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(reader, tmp_path):
    with pytest.raises(UserError) as error:  # a folder, since permissions do not bind root, who runs tests as well
        reader(tmp_path, TableCache(tmp_path / "cache"))
    assert str(error.value) == f"{tmp_path}: cannot be read: Is a directory. Check the file and its permissions"
