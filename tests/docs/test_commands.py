"""What README and the pages tell you to type exists: scripts, configs, options, knobs, names of the package."""

import ast
import itertools
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

import mtl_accel
from mtl_accel.cli.main import COMMANDS as COMMANDS_OF_THE_PACKAGE
from mtl_accel.config import parse_command_line, parse_overrides, read_config
from mtl_accel.config.files.shipped import find_config
from mtl_accel.core.plugins.loading import take_plugins

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
SCRIPTS = {path.stem for path in ROOT.glob("launch/[a-z]*.py")}
STANDS_FOR_ANY = {"mtl_accel/models/NAME.py", "mtl_accel/cli/commands/NAME.py"}


class Command(NamedTuple):
    page: str
    script: str
    before: list[str]  # environment, launcher and its options
    options: list[str]


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^````?{language}\n(.*?)^````?$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> list[Command]:
    found = []
    for page in PAGES:
        if page.name == "tutorial.md":  # test_tutorial.py types each command of it
            continue
        blocks = "\n".join(fenced(page, "bash")).replace("\\\n", " ").splitlines()
        inline = re.findall(
            r"`([^`\n]*(?:\blaunch/\w+\.py|\bmtl-accel [a-z]+) [^`\n]+)`", page.read_text(encoding="utf-8")
        )
        for line in [*blocks, *inline]:
            words = shlex.split(line, comments=True)
            places = (i for i, word in enumerate(words) if re.fullmatch(r"launch/\w+\.py|mtl-accel|mtl_accel", word))
            place = next(places, None)
            if place is not None and not words[place].startswith("launch/"):
                place += 1  # the name of the command follows
            if place is not None and words[place] not in ("COMMAND", "--version"):
                script = words[place].removeprefix("launch/").removesuffix(".py")
                options = list(itertools.takewhile(lambda word: word not in ("|", ">"), words[place + 1 :]))
                if options != ["..."]:
                    found.append(Command(page.name, script, words[:place], options))
    return found


COMMANDS = commands()


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What each script prints with --help, in a process of its own."""

    def text(script: str) -> str:
        command = [sys.executable, "-m", "mtl_accel", script, "--help"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(COMMANDS_OF_THE_PACKAGE, pool.map(text, COMMANDS_OF_THE_PACKAGE), strict=True))


def options_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--([\w-]+)", text))


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c.page} {c.script} {' '.join(c.options)}"[:80])
@pytest.mark.usefixtures("no_plugins_left")
def test_a_command_is_one_that_the_script_takes(command: Command, helps: dict[str, str]) -> None:
    assert command.script in COMMANDS_OF_THE_PACKAGE
    assert {command.script} <= SCRIPTS or not command.before or command.before[-1] in ("mtl-accel", "mtl_accel")
    for option, value in zip(command.before, command.before[1:], strict=False):
        assert option != "--config_file" or Path(value).is_file()
    # A config of a finished run, or one that init has written, is as good as the one that it came from.
    written = re.compile(r"(?:runs/)?(?:(v\d)/)?config\.json")
    options = [(m[1] or "v5") if (m := written.fullmatch(word)) else word for word in take_plugins(command.options)]
    if options == ["--help"]:
        return
    if command.script in ("train", "bench"):
        switches = COMMANDS_OF_THE_PACKAGE[command.script].SWITCHES
        parse_command_line(options, {"config": "", **switches})
        return
    own = options_of(helps[command.script])
    words, knobs = options, []
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            continue
        value = [words.pop(0)] if words and not words[0].startswith("--") else []
        if word.removeprefix("--").split("=")[0] not in own:
            knobs += [word, *value]
        elif word == "--config":
            assert find_config(value[0]).is_file()
    read_config("configs/quickstart.json", parse_overrides(knobs))
    assert command.script in ("sweep", "init", "config") or all(
        knob.startswith("--data.") for knob in knobs if knob.startswith("--")
    )


def test_every_command_is_on_a_page() -> None:
    assert {command.script for command in COMMANDS} == set(COMMANDS_OF_THE_PACKAGE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_on_a_page_parses_and_uses_names_that_the_package_has(page: Path) -> None:
    for block in fenced(page, "python"):
        if block.startswith("--8<--"):
            continue
        used = [n for n in ast.walk(ast.parse(block)) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
        names = {node.attr for node in used if node.value.id == "mtl_accel"}
        assert names - {"config"} <= set(mtl_accel.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = set(re.findall(r"(?<![\w/])(?:configs|launch|mtl_accel|tests|docs)/[\w./-]*\w", text)) - STANDS_FOR_ANY
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


_OF_CONFIGS = {"Config", "read_config", "read_json", "validate"}  # what needs neither data nor a run


def blocks_of_configs() -> list[str]:
    """Every Python block of the pages that makes configs and uses nothing else of the package."""
    found = []
    for block in (block for page in PAGES for block in fenced(page, "python") if not block.startswith("--8<--")):
        nodes = list(ast.walk(ast.parse(block)))
        names = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "mtl_accel"}
        froms = [n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("mtl_accel")]
        names |= {alias.name for node in froms for alias in node.names}
        if names and names <= _OF_CONFIGS:
            found.append(block)
    return found


def test_python_that_makes_configs_works_as_written_in_a_fresh_process() -> None:
    blocks = blocks_of_configs()
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
