"""Figures of a page: names are text, nothing reaches beyond a figure, both themes can be read, and all have words."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import report_folders
from hypothesis import given, settings
from hypothesis import strategies as st
from report_folders import epochs, write

from mtl_accel.report import drawing as drawing_module
from mtl_accel.report.drawing import ACCENT, GRID, INK, MUTED, RUN_COLOURS, Drawing, mark
from mtl_accel.report.records import runs
from mtl_accel.report.records.validation import Confusion, LabelFigures, TaskFigures
from mtl_accel.report.sections import curves, label_figures
from mtl_accel.report.sections.conflict_figures import conflicts
from mtl_accel.report.sections.weight_figures import task_weights
from mtl_accel.report.text import legible

V1 = report_folders.config("v1")


def task(*labels: str, f1: float | None = 0.5) -> TaskFigures:
    rows = [LabelFigures(label=label, support=3, precision=f1, recall=f1, f1=f1) for label in labels]
    return TaskFigures(
        name="attribute", kind="multilabel", labels=rows, confusion=None, mistakes=[], num_mistakes=0, metrics={}
    )


def elements(drawing: Drawing) -> list[ElementTree.Element]:
    """All elements, without the namespaces of their names."""
    found = list(ElementTree.fromstring(drawing.svg).iter())
    for element in found:
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    return found


def texts(drawing: Drawing) -> list[str]:
    return ["".join(e.itertext()) for e in elements(drawing) if e.tag == "text"]


@pytest.fixture
def drawn(tmp_path: Path) -> list[Drawing]:
    """All kinds of figures of three runs."""
    folders = [
        write(tmp_path / name, V1, rows)
        for name, rows in (("v1", epochs((0.5, 0.25), (0.75, 0.5))), ("v2", epochs((0.5, None))), ("none", []))
    ]
    steps = [report_folders.conflict(1, 1, 0.5, 2.0), report_folders.conflict(1, 2, -0.5, 0.5)]
    watched = write(tmp_path / "watched", V1, epochs((0.5, 0.25)), conflicts=steps, weights=[{"category": 2.0}])
    records = runs.read_runs(folders)
    measured, weighed = (balance(runs.read_runs([watched])) for balance in (conflicts, task_weights))
    assert measured and weighed
    confusion = Confusion(classes=["a", "b"], counts=[[3, 1], [0, 2]], left_out=0, most=[("a", "b", 1)])
    return [
        *curves.metric_curves(records),
        curves.learning_rate(records),
        *measured.drawings,
        *weighed.drawings,
        label_figures.label_bars("attribute", {0: task("zip", "hood"), 1: task("zip")}, ["v1", "v2"]),
        label_figures.confusion_matrix("category", "v1", confusion),
    ]


def test_every_figure_has_a_title_and_is_described(drawn: list[Drawing]) -> None:
    assert all(drawing.title and drawing.description for drawing in drawn)
    assert len({drawing.title for drawing in drawn}) == len(drawn)


def test_the_description_tells_the_figures(drawn: list[Drawing]) -> None:
    assert "v1: best validation 0.7500 in epoch 2, last train 0.8500, last validation 0.7500" in drawn[1].description
    assert "none: no values." in drawn[1].description
    assert "the source's 0.564038" in drawn[1].description
    assert "a taken for b (1)" in drawn[-1].description and "zip 0.50" in drawn[-2].description


def test_a_figure_points_at_nothing_but_its_own_elements(drawn: list[Drawing]) -> None:
    for drawing in drawn:
        ids = {e.attrib.get("id") for e in elements(drawing)}
        links = [e.attrib["href"] for e in elements(drawing) if "href" in e.attrib]
        values = [value for e in elements(drawing) for value in e.attrib.values()]
        links += [link for value in values for link in re.findall(r"url\((.*?)\)", value)]
        assert links and {link.removeprefix("#") for link in links} <= ids
        assert all(link.startswith("#") for link in links)
        assert not {"script", "image", "foreignObject", "metadata"} & {e.tag for e in elements(drawing)}


def test_every_colour_is_one_that_is_tested_below(drawn: list[Drawing]) -> None:
    for drawing in drawn:
        styles = " ".join(e.attrib.get("style", "") for e in elements(drawing))
        assert set(re.findall(r"#[0-9a-f]{6}", styles)) <= {INK, MUTED, GRID, ACCENT, *RUN_COLOURS}
        # SVG's own black is none of them.
        assert [e.attrib for e in elements(drawing) if e.tag == "text" and "fill: #" not in e.attrib["style"]] == []


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    records = runs.read_runs([write(tmp_path / "v1", V1, epochs((0.5, 0.25), (0.75, 0.5)))])
    assert curves.metric_curves(records) == curves.metric_curves(records)


NAMES = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$x^2$ $", "a\x00b\x1bc\ud800", "&amp;", "'"]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_comes_out_as_text(name: str) -> None:
    confusion = Confusion(classes=[name, "b"], counts=[[3, 1], [0, 2]], left_out=0, most=[(name, "b", 1)])
    for drawing in (
        label_figures.label_bars(name, {0: task(name)}, [name]),
        label_figures.confusion_matrix(name, name, confusion),
    ):
        (drawing.title + drawing.description).encode()
        tags = {e.tag for e in elements(drawing)}
        assert tags <= {"svg", "g", "path", "defs", "style", "use", "text", "tspan", "clipPath", "rect"}
        assert any(text.startswith(legible(name)[:10]) for text in texts(drawing))


@settings(max_examples=15)
@given(st.text(max_size=30))
def test_any_name_can_be_drawn(name: str) -> None:
    assert elements(label_figures.label_bars(name, {0: task(name or "x")}, [name]))


@pytest.mark.parametrize("num_epochs", [0, 1, 2, 200])
def test_runs_of_any_length_are_drawn(tmp_path: Path, num_epochs: int) -> None:
    records = runs.read_runs([write(tmp_path / "a", V1, epochs(*[(0.5, 0.25)] * num_epochs))])
    for drawing in [curves.learning_rate(records), *curves.metric_curves(records)]:
        assert ("no epoch yet" in texts(drawing)) == (num_epochs == 0)


def test_a_falling_learning_rate_stands_on_powers_of_ten(tmp_path: Path) -> None:
    records = runs.read_runs([write(tmp_path / "a", V1, epochs(*[(0.5, 0.25)] * 4))])
    assert {"0.0001", "1e-05", "1e-06"} <= set(texts(curves.learning_rate(records)))


def test_of_many_labels_those_that_do_worst_are_drawn_in_their_order() -> None:
    many = task(*(f"label {number}" for number in range(label_figures.MAX_LABELS + 5)))
    for number, label in enumerate(many.labels):
        label.f1 = 1 - number / 100
    shown = [text for text in texts(label_figures.label_bars("t", {0: many}, ["a"])) if text.startswith("label")]
    assert sorted(shown, key=lambda text: int(text.split()[1])) == sorted(
        (f"label {number} (3)" for number in range(5, len(many.labels))), key=lambda text: int(text.split()[1])
    )


# What protanopia, deuteranopia and tritanopia make of linear RGB (Machado et al., 2009).
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b*."""
    x, y, z = np.cbrt(TO_XYZ @ rgb.clip(0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


# What the page does to its figures in the dark, `invert(1) hue-rotate(180deg)`, on sRGB: Filter Effects, section 9.
TURN = [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]]
STYLE = (Path(drawing_module.__file__).parent / "report.css").read_text()


def turned(colour: str) -> str:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return "#" + "".join(f"{round(255 * v):02x}" for v in (np.array(TURN) @ (1 - channels)).clip(0, 1))


def shown(colour: str, theme: str) -> str:
    return colour if theme == "light" else turned(colour)


def page_colour(name: str, theme: str) -> str:
    return re.findall(rf"--{name}: (#[0-9a-f]{{6}})", STYLE)[["light", "dark"].index(theme)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_stand_out_from_the_paper(theme: str) -> None:
    assert ".drawing, .sign { filter: invert(1) hue-rotate(180deg); }" in STYLE
    paper, card = page_colour("paper", theme), page_colour("card", theme)
    for colour in RUN_COLOURS:
        assert contrast(shown(colour, theme), paper) >= 3  # WCAG 2.2, 1.4.11: of graphics
    for colour in (INK, MUTED):
        assert contrast(shown(colour, theme), paper) >= 4.5  # 1.4.3: of text
    for name in ("ink", "muted", "accent"):
        assert min(contrast(page_colour(name, theme), ground) for ground in (paper, card)) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_the_runs_colours_are_told_apart_with_every_kind_of_vision(theme: str, vision: str) -> None:
    labs = [lab(np.asarray(VISION[vision]) @ linear(shown(colour, theme))) for colour in RUN_COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(labs, 2)) > 30


def test_thirty_runs_have_thirty_signs() -> None:
    assert len({mark(number)[:2] for number in range(30)}) == 30
