"""The command `mtl-accel`: each command is found by its name, and helps without loading what trains."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import mtl_accel
from mtl_accel.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.stem for path in ROOT.glob("launch/[a-z]*.py"))
PROBE = """
import contextlib, json, runpy, sys
sys.argv = ["mtl-accel", *sys.argv[1:]]
with contextlib.suppress(SystemExit):
    runpy.run_module("mtl_accel", run_name="__main__")
print(json.dumps(sorted({"torch", "accelerate", "datasets", "pandas"} & set(sys.modules))))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [[], ["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_names_the_command_and_loads_nothing_that_trains(arguments: list[str]) -> None:
    *lines, loaded = run("-c", PROBE, *arguments).stdout.splitlines()
    assert lines[0].startswith(" ".join(["usage: mtl-accel", *arguments[:1]]).removesuffix(" --help"))
    assert json.loads(loaded) == []


def test_without_a_command_each_one_is_listed_with_what_it_does() -> None:
    lines = [line.split(maxsplit=1) for line in run("-m", "mtl_accel").stdout.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == list(COMMANDS)
    assert all(meaning[0].isupper() and meaning == meaning.strip() for _, meaning in lines)


def test_an_unknown_command_is_answered_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert capsys.readouterr().err.endswith("did you mean 'train'?\n")


def test_the_installed_command_is_this_one() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    assert parser["options.entry_points"]["console_scripts"].strip() == f"mtl-accel = {main.__module__}:main"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_its_command_but_for_the_lines_on_how_it_is_started(script: str) -> None:
    helps = [
        run(*command, "--help").stdout
        for command in ([f"launch/{script}.py"], ["-m", "mtl_accel", script.replace("_", "-")])
    ]
    options = [text[text.index("\noptions:\n") :] for text in helps]
    assert options[0] == options[1] != ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_only_calls_its_command(script: str) -> None:
    text = (ROOT / "launch" / f"{script}.py").read_text(encoding="utf-8")
    assert f"from mtl_accel.cli.commands import {script}\n" in text
    assert len(text.rpartition('"""\n')[2].split("\n\n")) <= 4


@pytest.mark.parametrize("option", ["--version", "-V", "version"])
def test_the_versions_are_told_without_loading_what_trains(option: str) -> None:
    version, loaded = run("-c", PROBE, option).stdout.splitlines()
    assert version.startswith(f"mtl_accel {mtl_accel.__version__} (torch {importlib.metadata.version('torch')}, ")
    assert version.endswith(f"Python {platform.python_version()})") and json.loads(loaded) == []
