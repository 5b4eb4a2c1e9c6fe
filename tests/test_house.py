"""The rules of the house, read off the tree, and the tools that hold the rest of them."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtl_accel.config import Config
from mtl_accel.config.knobs import all_knobs

ROOT = Path(__file__).parent.parent
PACKAGE = sorted([*ROOT.glob("mtl_accel/**/*.py"), *ROOT.glob("launch/*.py")])
TESTS = sorted(ROOT.glob("tests/**/*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (*PACKAGE, *TESTS)}
SCRIPTS = Path(sysconfig.get_path("scripts"))

MAX_LINES, MAX_FUNCTION_LINES = 250, 40  # and both are one too many
MAX_ENTRIES = 16  # of a folder
REGISTRIES = {ROOT / "mtl_accel" / "models"}  # one file for each member, however many there are
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc"}


def place(path: Path, node: ast.AST | None = None) -> str:
    return f"{path.relative_to(ROOT)}" + (f":{getattr(node, 'lineno', 0)}" if node else "")


def nodes(paths: list[Path], *kinds: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for path in paths:
        yield from ((path, node) for node in ast.walk(TREES[path]) if isinstance(node, kinds))


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_file_is_short() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in TREES}
    assert {name: length for name, length in lengths.items() if length >= MAX_LINES} == {}


def test_every_function_is_short() -> None:
    functions = nodes([*PACKAGE, *TESTS], ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = {f"{place(p, f)} {f.name}": f.end_lineno - f.lineno + 1 for p, f in functions}
    assert {name: length for name, length in lengths.items() if length >= MAX_FUNCTION_LINES} == {}


def entries(folder: Path) -> list[str]:
    """What one sees in a folder; not what makes it a package, and not what Python leaves there."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted({path.relative_to(folder).parts[0] for path in files} - {"__init__.py", "__main__.py", "py.typed"})


def test_no_folder_holds_more_than_one_can_take_in() -> None:
    folders = {path.parent for path in TREES}
    folders |= {parent for folder in folders for parent in folder.parents if ROOT in parent.parents}
    rooms = entries(ROOT / "mtl_accel")  # each has a folder in tests/, too, where its tests are found by their path
    counts = {place(folder): len(entries(folder)) for folder in folders - REGISTRIES - {ROOT / "tests"}}
    counts["tests, besides the rooms"] = len(set(entries(ROOT / "tests")) - set(rooms))
    assert {name: count for name, count in counts.items() if count > MAX_ENTRIES} == {}


def test_a_broad_except_only_passes_the_error_on() -> None:
    def is_broad(handler: ast.ExceptHandler) -> bool:
        names = [node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)] if handler.type else []
        return not names or bool({"Exception", "BaseException"} & set(names))

    handlers = [(path, node) for path, node in nodes(PACKAGE, ast.ExceptHandler) if is_broad(node)]
    assert [place(path, node) for path, node in handlers if not isinstance(node.body[-1], ast.Raise)] == []


def test_no_import_stands_inside_a_function() -> None:
    functions = nodes([*PACKAGE, *TESTS], ast.FunctionDef, ast.AsyncFunctionDef)
    inside = [place(p, n) for p, f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert inside == []


def test_importing_a_module_only_defines_names() -> None:
    def works(node: ast.stmt) -> bool:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return isinstance(node, ast.Expr | ast.For | ast.While | ast.With | ast.Try) and not is_text

    assert [place(path, node) for path in PACKAGE for node in TREES[path].body if works(node)] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [place(path) for path in TREES if VAGUE & {part.removesuffix(".py") for part in path.parts}] == []


def test_nothing_is_left_for_later() -> None:
    mark = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]))
    lines = [(path, n, line) for path in TREES for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)]
    assert [f"{place(path)}:{n}: {line.strip()}" for path, n, line in lines if mark.search(line)] == []


def is_lowest(name: str) -> bool:
    bound = requirements("options", "install_requires")[name].removeprefix(">=")
    return f"{importlib.metadata.version(name)}.".startswith(f"{bound}.")


WITH_NEW_TYPES = pytest.mark.skipif("is_lowest('torch')", reason="the lowest dependencies lack some types")


@pytest.mark.parametrize(
    "command",
    [
        "ruff check mtl_accel launch tests docs",
        "ruff format --check mtl_accel launch tests docs",
        pytest.param("mypy", marks=WITH_NEW_TYPES),
        "lint-imports --no-cache",
    ],
)
def test_the_tools_find_nothing(command: str) -> None:
    name, *arguments = command.split()
    result = run(SCRIPTS / name, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr


# Python 3.10 does not tell what a distribution without top_level.txt holds, such as scikit-learn.
KNOWS_DISTRIBUTIONS = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not know them all")


def imported(paths: list[Path]) -> set[str]:
    """The distributions that files import, by their normalised names, and what no distribution holds."""
    absolute = [n for _, n in nodes(paths, ast.ImportFrom) if not n.level]
    modules = [n.module for n in absolute]
    modules += [alias.name for _, node in nodes(paths, ast.Import) for alias in node.names]
    local = {"mtl_accel", *(path.stem for path in TESTS), *sys.stdlib_module_names}
    tops = {str(module).split(".")[0] for module in modules} - local
    known = importlib.metadata.packages_distributions()
    return {normal(known.get(top, [top])[0]) for top in tops}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(section: str, key: str) -> dict[str, str]:
    """{name: bound} of a list in setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = [line for line in parser[section][key].splitlines() if line.strip() and not line.startswith("#")]
    found = [re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", line.strip()) for line in lines]
    return {normal(match[1]): match[2] for match in found if match}


@KNOWS_DISTRIBUTIONS
def test_the_dependencies_are_what_the_package_imports() -> None:
    assert set(requirements("options", "install_requires")) == imported(PACKAGE)


@KNOWS_DISTRIBUTIONS
def test_the_tests_import_nothing_that_the_test_extra_lacks() -> None:
    declared = {**requirements("options", "install_requires"), **requirements("options.extras_require", "test")}
    assert imported(TESTS) - set(declared) == set()


@pytest.mark.parametrize(
    "extra",
    ["", "test", "report", "balance", "export", "sweep", "timm", "docs", "tensorboard", "wandb", "mlflow", "trackio"],
)
def test_every_dependency_has_a_lower_bound_and_no_upper_one(extra: str) -> None:
    section = ("options.extras_require", extra) if extra else ("options", "install_requires")
    bounds = requirements(*section)
    assert bounds
    lower = re.compile(r"(\[[a-z_,-]+\])?>=[0-9.]+")
    assert {name: bound for name, bound in bounds.items() if not lower.fullmatch(bound)} == {}


HEAVY = {"torch", "accelerate", "datasets"}
LOADED = f"import json, sys; print(json.dumps(sorted({HEAVY} & set(sys.modules))))"


def test_importing_the_package_does_not_import_torch() -> None:
    result = run(sys.executable, "-c", f"import mtl_accel; {LOADED}")
    assert json.loads(result.stdout) == [], result.stderr


@pytest.mark.parametrize("package", ["mtl_accel", "mtl_accel.metrics", "mtl_accel.report"])
def test_the_public_names_are_listed_without_an_import(package: str) -> None:
    script = f"import {package}; missing = set({package}.__all__) - set(dir({package})); print(missing); "
    result = run(sys.executable, "-c", script + LOADED)
    assert result.stdout.splitlines() == ["set()", "[]"], result.stderr


def help_of(script: Path) -> tuple[list[str], list[str]]:
    """The lines of a script's --help, and what of `HEAVY` it imports for them."""
    probe = f"""
import runpy, sys
sys.argv = [{str(script)!r}, "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
{LOADED}
"""
    result = run(sys.executable, "-c", probe)
    assert result.returncode == 0, result.stderr
    *lines, loaded = result.stdout.splitlines()
    return lines, json.loads(loaded)


@pytest.mark.parametrize(
    "script", sorted(set(ROOT.glob("launch/*.py")) - {ROOT / "launch/__init__.py"}), ids=lambda script: script.stem
)
def test_help_does_not_import_torch(script: Path) -> None:
    assert help_of(script)[1] == []


def test_help_shows_every_knob() -> None:
    shown = {line.strip() for line in help_of(ROOT / "launch" / "train.py")[0]}
    assert [knob.path for knob in all_knobs(Config) if f"--{knob.path}" not in shown] == []


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_that_the_documents_point_at_exists() -> None:
    texts = [readme(), (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")]
    paths = {path for text in texts for path in re.findall(r"\b(?:configs|launch|mtl_accel|tests)/[\w./-]*\w", text)}
    paths -= {"mtl_accel/models/NAME.py"}  # stands for a new one
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["quickstart", "tests"])
def test_the_readme_has_the_commands_that_ci_runs(name: str) -> None:
    assert re.search(rf"^<!-- {name} -->\n```bash\n(.+\n)+?```$", readme(), re.MULTILINE)
