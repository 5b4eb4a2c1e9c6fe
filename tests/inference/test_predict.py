"""launch/predict.py: the answers for a split as files, on one process and on two."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import real_runs as runs
import small_predict
import small_run
from torch.distributed.run import get_args_parser

import mtl_accel
from mtl_accel import models
from mtl_accel.core.errors import UserError

pytestmark = pytest.mark.slow

FILES = ["predictions.parquet", "submission_category.csv", "submission_attribute.csv"]
NUM_TEST = 13
ORDER = list(np.random.default_rng(0).permutation(NUM_TEST))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A run, and a test split that has no labels and whose rows are in no order."""
    folder = tmp_path_factory.mktemp("files")
    source = runs.write_source(folder / "source", num_train=24, num_validation=NUM_TEST)
    shutil.copytree(source / "val", source / "test")
    write_test(source, [f"{number}.png" for number in ORDER])
    config = runs.write_config(folder / "c.json", source, data=data_of(folder, source) | {"max_images": 11})
    runs.run(config)
    return folder


def write_test(source: Path, names: list[str], column: str = "filename") -> None:
    (source / "test.csv").write_text("\n".join([column, *names]) + "\n")


def data_of(folder: Path, source: Path) -> dict[str, object]:
    return {"source": str(source), "cache_dir": str(folder / "cache"), "num_workers": 0}


@pytest.fixture
def here(base, monkeypatch, on_cpu) -> Path:
    """For predictions in the test's own process."""
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    return base / "run"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def refused(*arguments: object, **options: object) -> list[str]:
    with pytest.raises(UserError) as caught:
        mtl_accel.predict(*arguments, **options)
    return caught.value.problems


def test_every_id_is_answered_once_in_the_source_s_order_as_the_predictor_answers(here, base, tmp_path):
    files = mtl_accel.predict(here, tmp_path / "a" / "b", probabilities=True)
    assert files == [tmp_path / "a" / "b" / name for name in FILES] and all(map(Path.is_file, files))
    table = pd.read_parquet(files[0])
    assert list(table["filename"]) == [f"{number}.png" for number in ORDER]
    predictor = mtl_accel.load(here, "cpu")
    expected = predictor.predict([base / "source" / "test" / name for name in table["filename"]], probabilities=True)
    pd.testing.assert_frame_equal(table.drop(columns="filename"), expected.drop(columns="id"))
    for task, columns in {"category": ["category"], "attribute": list(runs.LABELS)}.items():
        header, *rows = csv.reader((files[0].parent / f"submission_{task}.csv").read_text().splitlines())
        assert header == ["filename", *columns]
        assert rows == table[header].astype(str).to_numpy().tolist()


@pytest.mark.parametrize("switches", [("--probabilities",), ("--probabilities", "--flip", "--tta", "scales=0.8:1.2")])
def test_two_processes_write_the_files_of_one(base, tmp_path, switches):
    for processes in (1, 2):
        output = tmp_path / str(processes)
        arguments = ["--run", str(base / "run"), "--output", str(output), "--data.num_workers", "1", *switches]
        code, printed = small_predict.predict(tmp_path, *arguments, processes=processes)
        assert code == 0, printed
        assert [Path(line).name for line in printed.splitlines()] == FILES
    assert content(tmp_path / "1") == content(tmp_path / "2") and content(tmp_path / "1").keys() == set(FILES)


def test_flip_and_a_list_are_one_list_and_what_is_wrong_with_it_is_told_before_anything_is_written(here, tmp_path):
    ways = [{"flip": True, "tta": "scales=0.8"}, {"tta": ["mirror", {"scales": 0.8}]}]
    tables = [
        pd.read_parquet(mtl_accel.predict(here, tmp_path / str(number), probabilities=True, **way)[0])
        for number, way in enumerate(ways)
    ]
    pd.testing.assert_frame_equal(*tables)
    problems = refused(here, tmp_path / "none", tta="zoom,scales=1")
    assert [problem.partition(" ")[0] for problem in problems] == ["tta:"] * 3 and not (tmp_path / "none").exists()


def test_accelerate_launch_starts_it(base, tmp_path):
    script = [small_predict.__file__, "--run", str(base / "run"), "--output", str(tmp_path / "out")]
    command = [sys.executable, *runs._LAUNCHERS["accelerate"](2), *script]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "out" / "predictions.parquet")) == NUM_TEST


def test_torchrun_leaves_what_stands_behind_two_dashes_to_the_script():
    script = ["launch/predict.py", "--run", "runs/v5", "--output", "out"]
    parsed = get_args_parser().parse_args(["--standalone", "--nproc_per_node", "2", "--", *script])
    assert [parsed.training_script, *parsed.training_script_args] == script


def test_pictures_that_cannot_be_read_are_told_by_every_process_alike(base, tmp_path):
    source = tmp_path / "photos"
    shutil.copytree(base / "source" / "test", source / "test")
    write_test(source, [f"{number}.png" for number in range(NUM_TEST)])
    for number in (1, 6, 12):
        (source / "test" / f"{number}.png").write_text("broken")
    arguments = ["--run", str(base / "run"), "--output", str(tmp_path / "out"), "--data.source", str(source)]
    code, printed = small_predict.predict(tmp_path, *arguments, "--data.num_workers", "1", processes=2)
    lines = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert code == 2 and "Traceback" not in printed and not (tmp_path / "out").exists()
    assert [line.partition(": image")[0] for line in lines[:3]] == [f"error: test, id {n}.png" for n in (1, 6, 12)]


def test_files_that_are_there_stay_unless_they_are_to_be_replaced(here, tmp_path):
    mtl_accel.predict(here, tmp_path)
    before = content(tmp_path)
    (problem,) = refused(here, tmp_path, split="validation")
    assert all(name in problem for name in before) and "--overwrite" in problem and content(tmp_path) == before
    (tmp_path / "note.txt").write_text("mine")
    mtl_accel.predict(here, tmp_path, split="validation", overwrite=True)
    after = content(tmp_path)
    assert after.pop("note.txt") == b"mine" and after.keys() == before.keys() and after != before
    (problem,) = refused(here, tmp_path / "note.txt")
    assert "note.txt is a file" in problem


def test_a_sample_is_followed_to_the_letter_and_a_wrong_one_is_told_before_anything_is_predicted(here, tmp_path):
    ids = [f"{number}.png" for number in range(NUM_TEST)]
    sample = tmp_path / "sample.csv"
    sample.write_text("left,big,id,red\n" + "".join(f"0,0,{identifier},0\n" for identifier in ids))
    mtl_accel.predict(here, tmp_path / "out", sample_submission=[str(sample)])
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet").set_index("filename").loc[ids]
    header, *rows = csv.reader((tmp_path / "out" / "submission_attribute.csv").read_text().splitlines())
    assert header == ["left", "big", "id", "red"]
    assert rows == table.reset_index().rename(columns={"filename": "id"})[header].astype(str).to_numpy().tolist()
    sample.write_text("id,category\n" + "".join(f"{identifier}\n".replace(".png", ",?") for identifier in ids[:-1]))
    problems = refused(here, tmp_path / "other", sample_submission=[f"category={sample}"])
    assert "12 ids differ only by a suffix" in problems[-1] and not (tmp_path / "other").exists()


def test_hostile_class_names_and_ids_are_written_harmless(here, tmp_path):
    run, source = tmp_path / "run", tmp_path / "photos"
    shutil.copytree(here, run)
    described = json.loads((run / "model" / "config.json").read_text())
    classes = ["=cmd|' /C calc'!A0", "@x", "+1+1"]
    described["tasks"]["category"]["classes"] = classes
    described["tasks"]["attribute"]["classes"] = described["tasks"]["attribute"]["columns"] = ["-a", "\tb", "c"]
    (run / "model" / "config.json").write_text(json.dumps(described))
    shutil.copytree(Path(json.loads((run / "config.json").read_text())["data"]["source"]) / "test", source / "test")
    (source / "test" / "0.png").rename(source / "test" / "-0.png")
    write_test(source, ["-0.png", "1.png"], column="+id")
    config = mtl_accel.read_config(run / "config.json", {"data.source": str(source), "data.id_column": "+id"})
    mtl_accel.predict(run, tmp_path / "out", config=config)
    category = list(csv.reader((tmp_path / "out" / "submission_category.csv").read_text().splitlines()))
    attribute = list(csv.reader((tmp_path / "out" / "submission_attribute.csv").read_text().splitlines()))
    assert [row[0] for row in category] == ["'+id", "'-0.png", "1.png"]
    assert attribute[0] == ["'+id", "'-a", "'\tb", "c"]
    assert {row[1] for row in category[1:]} <= {f"'{name}" for name in classes}
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert list(table) == ["+id", "category", "-a", "\tb", "c"] and set(table["category"]) <= set(classes)


def test_a_split_that_is_not_there_and_a_run_without_a_model_are_refused(here, base, tmp_path):
    source = tmp_path / "photos"
    shutil.copytree(base / "source" / "test", source / "test")
    write_test(source, ["0.png"])
    config = mtl_accel.read_config(here / "config.json", {"data.source": str(source)})
    (problem,) = refused(here, tmp_path / "out", split="validation", config=config)
    assert "has no validation split; it has: test" in problem
    run = tmp_path / "unfinished"
    run.mkdir()
    shutil.copy(here / "config.json", run)
    (problem,) = refused(run, tmp_path / "out")
    assert "neither a run folder with a finished model in it" in problem
