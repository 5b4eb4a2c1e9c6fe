"""The site builds without a warning and without a network, and its pages ask no other host for anything."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import mtl_accel
from mtl_accel.cli.main import COMMANDS
from mtl_accel.config import Config
from mtl_accel.config.knobs import all_knobs
from mtl_accel.models import BACKBONES, HEADS

ROOT = Path(__file__).parents[2]
# No proxy listens there, so that whatever asks for another host fails, and a warning ends the build.
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
ATTRIBUTES = ("src", "srcset", "data", "poster")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, **OFFLINE, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


class Assets(HTMLParser):
    """What a browser fetches to show a page: of a link only what it loads, and not what a reader may click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = (*ATTRIBUTES, "href") if tag in ("link", "image", "use") else ATTRIBUTES
        self.found += [value for name, value in attributes if name in names and value]


def assets(site: Path) -> Iterator[tuple[Path, str]]:
    for path in site.rglob("*.html"):
        page = Assets()
        page.feed(path.read_text(encoding="utf-8"))
        yield from ((path, asset) for asset in page.found)
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        yield from ((path, asset) for asset in re.findall(r"url\(\s*[\"']?([^\"')]+)", text))
        yield from ((path, asset) for asset in re.findall(r"@import\s+[\"']([^\"']+)", text))


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    found = list(assets(site))
    assert len(found) > 100
    assert [(path, asset) for path, asset in found if re.match(r"(https?:)?//", asset)] == []


def test_every_asset_of_a_page_is_part_of_the_site(site: Path) -> None:
    local = [(path, asset.split("?")[0].split("#")[0]) for path, asset in assets(site) if ":" not in asset]
    # The page of an unknown address names them from the root.
    missing = [
        (path, asset)
        for path, asset in local
        if asset and not ((site / asset.lstrip("/")) if asset.startswith("/") else (path.parent / asset)).exists()
    ]
    assert missing == []


def test_a_page_that_includes_a_file_shows_it(site: Path) -> None:
    assert "ResNet18Linear" in (site / "howto/own-network/index.html").read_text(encoding="utf-8")


def test_a_notebook_is_a_page_with_its_text_and_its_code(site: Path) -> None:
    for path in ROOT.glob("docs/notebooks/*.ipynb"):
        page = (site / "notebooks" / path.stem / "index.html").read_text(encoding="utf-8")
        assert "<h1" in page and page.count('class="language-python highlight"') >= 3


def test_the_reference_has_every_knob_command_network_and_public_name(site: Path) -> None:
    knobs = (site / "reference/knobs/index.html").read_text(encoding="utf-8")
    assert [knob.path for knob in all_knobs(Config) if f"<code>{knob.path}</code>" not in knobs] == []
    commands = (site / "reference/commands/index.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'id="{name}"' not in commands] == []
    networks = (site / "reference/networks/index.html").read_text(encoding="utf-8")
    assert [name for name in (*BACKBONES, *HEADS) if f"<code>{name}</code>" not in networks] == []
    names = (site / "reference/python/index.html").read_text(encoding="utf-8")
    assert [name for name in mtl_accel.__all__ if not re.search(rf'<h3 id="mtl_accel\.[\w.]+\.{name}"', names)] == []
