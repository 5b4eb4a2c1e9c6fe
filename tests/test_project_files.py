"""The files around the package agree with setup.cfg: version, citation and constraints."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
from pathlib import Path
from typing import Any

import yaml

import mtl_accel

ROOT = Path(__file__).parent.parent
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
