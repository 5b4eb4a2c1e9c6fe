"""What a run says while it works: lines without a terminal, and figures of its steps."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import real_runs as runs
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mtl_accel.runs.log import with_prefixes

pytestmark = pytest.mark.slow

OFTEN = {
    "log_every_seconds": 0.01,
    "log_every_steps": 2,
    "gradient_clip_norm": 1e-3,
    "trackers": ["tensorboard"],
}
LINE = re.compile(
    r"epoch (\d) of 2, step (\d) of 5: loss \d+\.\d{4}, learning rate [\d.e-]+, "
    r"\d+\.\d images/s, [\d.]+ (?:s|min|h) left in the epoch, [\d.]+ (?:s|min|h) in the run"
)


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[int, Path]:
    """One config on one process and on two, and what they printed."""
    base = tmp_path_factory.mktemp("records")
    source = runs.write_source(base / "source", num_train=37, num_validation=130)
    made = {}
    for processes in (1, 2):
        made[processes] = runs.write_config(base / str(processes) / "c.json", source, **OFTEN)
        printed = runs.run(made[processes], processes=processes)
        (made[processes].parent / "printed.txt").write_text(printed)
        (source / "cache").rename(base / f"cache{processes}")  # the next one decodes again
    return made


def steps_of(config: Path) -> list[dict]:
    rows = map(json.loads, (runs.run_dir(config) / "log.jsonl").read_text().splitlines())
    return [row for row in rows if row["event"] == "step"]


@pytest.mark.parametrize("processes", [1, 2])
def test_without_a_terminal_lines_say_how_far_each_long_stage_is(configs, processes) -> None:
    printed = (configs[processes].parent / "printed.txt").read_text()
    log = (runs.run_dir(configs[processes]) / "log.txt").read_text()
    for text in (printed, log):
        assert re.search(r"^decoding train: \d+ of 37 pictures", text, re.MULTILINE)
        assert re.search(r"^evaluating: \d+ of \d+ batches", text, re.MULTILINE)
    lines = [line for line in log.splitlines() if line.startswith("epoch ")]
    assert any(map(LINE.fullmatch, lines)), lines
    places = [tuple(map(int, match.groups())) for match in map(LINE.fullmatch, lines) if match]
    assert places == sorted(places)
    assert printed.count("\nepoch ") == len(lines)  # the main process alone speaks


def test_step_rows_come_every_so_many_steps_and_at_the_end_of_each_epoch(configs) -> None:
    for config in configs.values():
        assert [(row["epoch"], row["step"]) for row in steps_of(config)] == [(e, s) for e in (1, 2) for s in (2, 4, 5)]


def test_step_figures_are_those_of_the_whole_step_on_any_number_of_processes(configs) -> None:
    one, two = map(steps_of, configs.values())
    keys = ("epoch", "step", "train", "lr", "gradient_norm")
    assert [{key: row[key] for key in keys} for row in one] == [{key: row[key] for key in keys} for row in two]
    assert all(row["gradient_norm"] > 1e-3 for row in one)  # before clipping
    assert all(row["images_per_second"] > 0 for row in (*one, *two))
    assert runs.digest(configs[1]) == runs.digest(configs[2])


def test_the_losses_of_an_epoch_s_steps_have_the_names_and_the_sum_of_its_own(configs) -> None:
    for row in steps_of(configs[1]):
        assert row["train"].keys() == {"category/loss", "attribute/loss", "loss"}
        assert row["train"]["loss"] == pytest.approx(row["train"]["category/loss"] + row["train"]["attribute/loss"])


def events(config: Path) -> EventAccumulator:
    """What TensorBoard has of a run, read back from its files."""
    (folder,) = {path.parent for path in (runs.run_dir(config) / runs.run_dir(config).name).glob("events.*")}
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_trackers_get_the_figures_of_steps_and_epochs_on_one_axis(configs) -> None:
    for config in configs.values():
        found, rows = events(config), steps_of(config)
        for name in ("train", "lr", "gradient_norm"):
            values = [row["train"]["attribute/loss"] if name == "train" else row[name] for row in rows]
            scalars = found.Scalars("step/attribute/loss" if name == "train" else f"step/{name}")
            assert [scalar.step for scalar in scalars] == [2, 4, 5, 7, 9, 10]
            assert [scalar.value for scalar in scalars] == pytest.approx(values)
        for row, number in zip(runs.epochs(config), (5, 10), strict=True):
            for name, value in with_prefixes({"train": row["train"], "validation": row["validation"]}).items():
                assert {scalar.step: scalar.value for scalar in found.Scalars(name)}[number] == pytest.approx(value)


def test_trackers_get_the_config_the_final_figures_and_the_curves(configs) -> None:
    config = configs[2]
    found, end = events(config), runs.end_of(config)
    for name, value in {**end["best"], **end["fitted"]}.items():
        assert found.Scalars(f"best/{name}")[-1].value == pytest.approx(value)
    model = json.loads((runs.run_dir(config) / "model" / "config.json").read_text())["tasks"]["attribute"]
    for label, threshold in zip(model["classes"], model["thresholds"], strict=True):
        assert found.Scalars(f"thresholds/attribute/{label}")[-1].value == pytest.approx(threshold)
    assert set(found.Tags()["images"]) == {"curves.png", "category-confusion.png", "attribute-f1.png"}
    picture = np.asarray(Image.open(io.BytesIO(found.Images("curves.png")[-1].encoded_image_string)))
    assert np.array_equal(picture, np.asarray(Image.open(runs.run_dir(config) / "curves.png").convert("RGB")))
    (hparams,) = runs.run_dir(config).glob("**/hparams.yml")
    assert yaml.safe_load(hparams.read_text())["optimizer.lr"] == json.loads(config.read_text())["optimizer"]["lr"]


def test_how_often_lines_and_rows_come_changes_no_weight(configs, tmp_path) -> None:
    source = json.loads(configs[1].read_text())["data"]["source"]
    silent = {**OFTEN, "log_every_seconds": None, "log_every_steps": 1000, "trackers": []}
    config = runs.write_config(tmp_path / "c.json", Path(source), **silent)
    printed = runs.run(config)
    assert "images/s, " not in printed.replace("images/s, best", "") and "decoding" not in printed
    assert runs.digest(config) == runs.digest(configs[1])
