"""`mtl-accel compare`: the leaderboard of the report, in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_folders import config, epochs, write

from mtl_accel.cli.main import main


def test_runs_stand_in_columns_and_the_best_value_has_a_star(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "first", config(), epochs((0.5, 0.2), (0.625, 0.25)))
    write(tmp_path / "second", config(optimizer__lr=0.5), epochs((0.75, 0.125)))
    assert main(["compare", str(tmp_path / "first"), str(tmp_path / "second")]) == 0
    caption, _, head, *rows = capsys.readouterr().out.splitlines()
    assert caption.startswith("Best validation value of each run") and head.startswith("run ")
    assert [row.split()[0] for row in rows[:2]] == ["first", "second"]
    assert "*0.7500 (epoch 1)" in rows[1] and "*0.2500 (epoch 2)" in rows[0]
    ends = [row.index(")", row.index("epoch")) for row in rows[:2]]
    assert ends[0] == ends[1]


def test_several_seeds_of_a_config_have_their_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write(tmp_path / f"s{seed}", config(seed=seed), epochs((0.5 + seed / 4, 0.5))) for seed in (0, 1)]
    assert main(["compare", *map(str, runs)]) == 0
    out = capsys.readouterr().out
    assert "Mean and standard deviation over seeds" in out and "0.6250" in out


def test_a_folder_without_a_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none")]) == 2
    assert "is no folder, and so is no run" in capsys.readouterr().err
