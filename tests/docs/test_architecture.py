"""docs/architecture.md names files, functions and rooms as they are."""

import ast
import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:mtl_accel|launch|tests|docs)/[\w/]+\.py)(?::([\w.]+))?`", PAGE)))
STANDS_FOR_ANY = {"mtl_accel/models/NAME.py", "mtl_accel/cli/commands/NAME.py"}


def defined(path: Path) -> set[str]:
    """The functions and classes of a file, and the methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("path", "name"), [n for n in NAMED if n[0] not in STANDS_FOR_ANY])
def test_a_file_or_function_that_the_page_names_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert not name or name in defined(ROOT / path)


def test_the_pass_names_most_rooms_that_a_run_goes_through() -> None:
    rooms = {path.split("/")[1] for path, name in NAMED if name and path.startswith("mtl_accel/")}
    assert rooms >= {"config", "data", "models", "objective", "launching", "training", "inference", "metrics", "runs"}


def layers() -> list[set[str]]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["importlinter:contract:rooms"]["layers"].split("\n")
    return [{room.strip() for room in line.split("|")} for line in reversed(lines) if line.strip()]


def test_the_table_has_every_room_in_the_order_in_which_they_may_import() -> None:
    rooms = re.findall(r"^\| `(\w+)` \|", PAGE.split("## One pass")[0], re.MULTILINE)
    order = layers()
    assert sorted(rooms) == sorted(room for layer in order for room in layer)
    places = [next(i for i, layer in enumerate(order) if room in layer) for room in rooms]
    assert places == sorted(places)


def test_the_rooms_that_stand_beside_each_other_are_those_of_the_contract() -> None:
    sentence = PAGE.split("These stand beside each other")[1].split(".\n")[0].split(": ", 1)[1]
    groups = [set(re.findall(r"`(\w+)`", group)) for group in sentence.split(";")]
    assert sorted(map(sorted, groups)) == sorted(sorted(layer) for layer in layers() if len(layer) > 1)
