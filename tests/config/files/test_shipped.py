"""Configs by name: those of the folder configs/, wherever the package is used."""

from __future__ import annotations

from pathlib import Path

import pytest

import mtl_accel
from mtl_accel.config import parse_command_line
from mtl_accel.config.files.shipped import find_config, shipped_configs, shipped_folder

ROOT = Path(__file__).parents[3]
NAMES = sorted(shipped_configs())


def test_the_names_are_those_of_the_files_in_the_folder() -> None:
    assert shipped_folder() == ROOT / "configs"
    files = [path for path in ROOT.glob("configs/**/*.json") if path.name != "schema.json"]
    runs = [path for path in files if path.parent.name != "variants"]
    assert sorted(path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in runs) == NAMES
    assert {"v5", "best", "small/best", "quickstart"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_as_good_as_the_path_in_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    by_path = mtl_accel.read_config(ROOT / "configs" / f"{name}.json")
    assert mtl_accel.read_config(name) == by_path == mtl_accel.Config.from_file(Path(name))
    assert parse_command_line(["--config", name], {"config": ""})[0] == by_path


def test_a_file_of_that_name_wins_and_a_folder_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("v5").mkdir()
    assert find_config("v5") == ROOT / "configs" / "v5.json"
    Path("best").write_text("{}")
    assert find_config("best") == Path("best")


def test_an_unknown_name_is_answered_with_the_names_and_the_one_that_was_meant() -> None:
    with pytest.raises(mtl_accel.UserError, match=r"^smal/best: neither a file nor .*v6.*did you mean 'small/best'\?$"):
        mtl_accel.read_config("smal/best")


def test_an_override_of_a_shipped_config_is_reported_by_its_place() -> None:
    with pytest.raises(mtl_accel.UserError, match=r"^--epochs: must be"):
        mtl_accel.read_config("v5", {"epochs": "many"})
