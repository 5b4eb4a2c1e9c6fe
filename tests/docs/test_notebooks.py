"""The notebooks: committed without outputs, written with the public names, and every cell of them runs."""

from __future__ import annotations

import ast
import html
import json
import re
from functools import cache
from pathlib import Path

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest
import real_runs as runs
from nbclient import NotebookClient
from nbformat import NotebookNode

import mtl_accel

pytestmark = pytest.mark.slow

FOLDER = runs.ROOT / "docs" / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]
_FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def notebook(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


def cells(book: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == kind]


class Workplace:
    """A copy of the folder of the notebooks, and what came of those that were executed in it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "docs" / "notebooks"
        self.folder.mkdir(parents=True)
        (root / "configs").symlink_to(runs.ROOT / "configs")
        self.executed: dict[str, NotebookNode] = {}

    def execute(self, name: str) -> NotebookNode:
        """The notebook with its outputs. Raises CellExecutionError, which shows the cell and its traceback."""
        if name not in self.executed:
            book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
            where = {"metadata": {"path": str(self.folder)}}
            NotebookClient(book, timeout=300, kernel_name="python3", resources=where).execute()
            self.executed[name] = book
        return self.executed[name]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    root = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("MPLCONFIGDIR", mpl.get_cachedir())  # else fonts are searched for seconds
        for variable in ("XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(variable, str(root / variable.lower()))
        yield Workplace(root)


def outputs(book: NotebookNode, mime: str) -> list[str]:
    shown = [output.get("data", {}) for cell in cells(book, "code") for output in cell.outputs]
    return [data[mime] for data in shown if mime in data]


def test_there_are_two_notebooks():
    assert NAMES == ["own_data", "quickstart"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_valid_and_committed_without_outputs(name):
    nbformat.validate(notebook(name))
    code = cells(notebook(name), "code")
    assert [cell.source for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert set(notebook(name).metadata) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_uses_public_names_only(name):
    trees = [ast.parse(cell.source) for cell in cells(notebook(name), "code")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    assert [n.module for n in nodes if isinstance(n, ast.ImportFrom) and str(n.module).startswith("mtl_accel")] == []
    imports = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    assert [module for module in imports if module.startswith("mtl_accel")] == ["mtl_accel"]
    attributes = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    used = {n.attr for n in attributes if n.value.id == "mtl_accel"}
    assert used and used <= set(mtl_accel.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_text_stands_between_the_cells_and_the_code_in_it_is_python(name):
    texts = [cell.source for cell in cells(notebook(name), "markdown")]
    assert len(texts) > 6 and any("notebook_launcher" in text for text in texts)
    for code in (code for text in texts for code in _FENCED.findall(text)):
        ast.parse(code)


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_of_a_notebook_runs(workplace, name):
    code = cells(workplace.execute(name), "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_the_quickstart_shows_curves_and_report_where_they_are_written(workplace):
    book = workplace.execute("quickstart")
    assert len(outputs(book, "image/png")) == 1
    (frame,) = [output for output in outputs(book, "text/html") if "<iframe" in output]
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    assert page == (workplace.folder / "report.html").read_text(encoding="utf-8")
    assert "Category accuracy" in page and "2 of 2" in page


def test_own_data_answers_for_each_test_photo_and_shows_the_mistakes(workplace):
    book = workplace.execute("own_data")
    ids = list(pd.read_csv(workplace.folder / "photos" / "test.csv")["filename"])
    for task, columns in {"shape": ["shape"], "attribute": ["red", "big", "striped"]}.items():
        submission = pd.read_csv(workplace.folder / "predictions" / "own_data" / f"submission_{task}.csv")
        assert list(submission) == ["filename", *columns] and list(submission["filename"]) == ids
    printed = [o.text for cell in cells(book, "code") for o in cell.outputs if o.output_type == "stream"]
    wrong, held_out = map(int, re.search(r"(\d+) of (\d+) shapes are wrong", "".join(printed)).groups())
    stored = json.loads((workplace.folder / "runs/own_data/validation_ids.json").read_text())
    assert held_out == len(stored) and wrong < held_out
    assert len(outputs(book, "image/png")) == 3 + bool(
        wrong
    )  # of the labels, the curves, the answers, and the mistakes
