"""The completion of shells, asked as the Tab key asks it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mtl_accel.cli.completion import options_of
from mtl_accel.cli.main import COMMANDS, main
from mtl_accel.config import Config
from mtl_accel.config.files.shipped import shipped_configs
from mtl_accel.config.knobs import all_knobs

ASK = 'COMP_WORDS=("${@:2}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _mtl_accel; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The script of each shell, as a file."""
    folder = tmp_path_factory.mktemp("scripts")
    with pytest.MonkeyPatch.context() as patch:
        for shell in ("bash", "zsh", "fish"):
            with (folder / shell).open("w") as file:
                patch.setattr("sys.stdout", file)
                assert main(["completion", shell]) == 0
    return {path.name: path for path in folder.iterdir()}


def completed(script: Path, folder: Path, *words: str) -> set[str]:
    command = ["bash", "-uc", f'source "$1"; {ASK}', "bash", str(script), "mtl-accel", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
    return set(done.stdout.splitlines()) - {""}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ev"], {"evaluate"}),
        (["train", "--optimizer.l"], {"--optimizer.lr"}),
        (["train", "--proc"], {"--processes"}),
        (["train", "--config", "sm"], {"small/best", "small/v5", "small/v6", "small.json"}),
        (["train", "--config", "v5", "--resume.a"], {"--resume.allow_changes"}),
        (["sweep", "--config", "v5", "--config", "let"], {"letterbox"}),
        (["init", "quick"], {"quickstart"}),
        (["config", "show", "quick"], {"quickstart"}),
        (["evaluate", "--split", "v"], {"validation"}),
        (["export", "--format", "s"], {"safetensors"}),
        (["predict", "--run", "ru"], {"runs"}),
        (["report", "ru"], {"runs"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bash_completes_what_may_stand_there(
    scripts: dict[str, Path], tmp_path: Path, words: list[str], found: set[str]
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "small.json").touch()
    assert completed(scripts["bash"], tmp_path, *words) == found


def test_bash_completes_every_command_and_every_config(scripts: dict[str, Path], tmp_path: Path) -> None:
    assert completed(scripts["bash"], tmp_path, "") == set(COMMANDS) - {"completion"}
    assert completed(scripts["bash"], tmp_path, "train", "--config", "") == set(shipped_configs())


@pytest.mark.parametrize("command", ["train", "bench"])
def test_every_knob_is_an_option_but_those_whose_names_a_config_chooses(command: str) -> None:
    knobs = {f"--{knob.path}" for knob in all_knobs(Config)}
    chosen = {knob for knob in knobs if {"NAME", "N"} & set(knob.split("."))}
    assert knobs - chosen <= set(options_of(command).names) and not chosen & set(options_of(command).names)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_takes_the_script(scripts: dict[str, Path], shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    done = subprocess.run([shell, "-n", str(scripts[shell])], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_gets_each_command_with_its_meaning_and_each_knob(scripts: dict[str, Path]) -> None:
    text = scripts["fish"].read_text()
    assert 'complete -c mtl-accel -n __fish_use_subcommand -f -a train -d "Train a config"\n' in text
    assert "complete -c mtl-accel -n '__fish_seen_subcommand_from train' -l optimizer.lr\n" in text
