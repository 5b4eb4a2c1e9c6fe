"""The files around the package agree with setup.cfg and README: version, citation, constraints, workflows and forms."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import mtl_accel

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*_*.yml"))
LINTERS = {"ruff", "mypy", "import-linter"}  # they read code and never run it, so their lowest versions prove nothing


def read(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text: str) -> dict[str, str]:
    """{name without extras: bound} of a list in setup.cfg."""
    found = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)$", text, re.MULTILINE)
    assert len(found) == sum(1 for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return dict(found)


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def runs(workflow: dict[Any, Any]) -> Iterator[str]:
    for job in workflow["jobs"].values():
        yield from (step["run"].strip() for step in job.get("steps", ()) if "run" in step)


def test_the_version_is_that_of_the_installed_package() -> None:
    assert mtl_accel.__version__ == importlib.metadata.version("mtl_accel")


def test_the_citation_has_the_version_and_the_licence_of_the_package() -> None:
    citation, metadata = read(ROOT / "CITATION.cff"), setup()["metadata"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith(f"{metadata['name']}: ")
    assert citation["authors"] == [{"name": metadata["author"]}]
    assert str(citation["version"]) == mtl_accel.__version__
    assert citation["license"] == metadata["license_expression"]
    assert citation["repository-code"] == metadata["url"]


def test_the_constraints_are_the_lower_bounds_of_setup_cfg() -> None:
    extras = dict(setup()["options.extras_require"])
    allowed = requirements(setup()["options"]["install_requires"]) | requirements(extras.pop("test"))
    lines = (ROOT / "constraints" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pinned == {name: bound for name, bound in allowed.items() if name not in LINTERS}
    # An extra that the tests do not need, such as that of the documentation, may have packages of its own.
    differing = [(name, b) for text in extras.values() for name, b in requirements(text).items() if name in allowed]
    assert [(name, bound) for name, bound in differing if allowed[name] != bound] == []


def test_the_workflow_of_the_tests_runs_the_commands_of_the_readme() -> None:
    block = re.search(r"<!-- tests -->\n```bash\n(.+?)\n```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block
    commands = block[1].splitlines()
    ran = [command for path in WORKFLOWS for command in runs(read(path))]
    assert [command for command in commands if command not in ran] == []
    assert {command for command in ran if "pytest" in command} <= set(commands)


def test_the_tests_run_on_the_oldest_and_the_newest_python_of_the_classifiers() -> None:
    classified = re.findall(r"Python :: (3\.\d+)$", setup()["metadata"]["classifiers"], re.MULTILINE)
    matrix = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python-version"] == [min(classified, key=version), max(classified, key=version)]
    assert setup()["options"]["python_requires"] == f">={matrix['python-version'][0]}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_reads_only_and_its_actions_and_python_are_pinned(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}  # a job that needs more asks for it itself
    actions = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    pinned = re.compile(r"\./\.github/workflows/[\w-]+\.yml|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in actions if not pinned.fullmatch(action)] == []
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", ())]
    pythons = [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")]
    lowest = version(setup()["options"]["python_requires"].removeprefix(">="))
    assert [p for p in pythons if p != "${{ matrix.python-version }}" and version(p) < lowest] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_for_something_and_names_each_answer_once(path: Path) -> None:
    form = read(path)
    assert form["name"] and form["description"]
    asked = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(asked) == len(set(asked))
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_other_files_of_the_repository_are_yaml() -> None:
    for name in (".github/dependabot.yml", ".github/ISSUE_TEMPLATE/config.yml", ".pre-commit-config.yaml"):
        assert read(ROOT / name)
