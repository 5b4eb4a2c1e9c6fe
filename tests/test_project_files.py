"""The files around the package agree with setup.cfg."""

from __future__ import annotations

import configparser
import importlib.metadata
from pathlib import Path
from typing import Any

import yaml

import mtl_accel

ROOT = Path(__file__).parent.parent


def read(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


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
