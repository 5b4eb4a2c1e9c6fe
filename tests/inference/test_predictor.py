"""A finished model at work: the pixels of its run, whatever form pictures come in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
import real_runs as runs
import small_run
import torch
from PIL import Image

import mtl_accel
from mtl_accel import models
from mtl_accel.config import read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.inference.predictor import Predictor
from mtl_accel.inference.scoring import score
from mtl_accel.objective.losses import build_training_losses

pytestmark = pytest.mark.slow

BATCH = 4
# Each way to keep decoded pictures, and a precision that rounds: {name: (keys of data, keys of the config)}.
RUNS = {
    "disk": ({"cache": "disk"}, {}),
    "device": ({"cache": "device"}, {}),
    "none": ({"cache": "none", "num_workers": 2}, {}),
    "bf16": ({"cache": "disk"}, {"mixed_precision": "bf16"}),
}


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("predictor")
    source = runs.write_source(base / "source", num_train=24, num_validation=13, size=40)
    data = {"source": str(source), "cache_dir": str(base / "cache"), "num_workers": 0}
    made = {
        name: runs.write_config(base / name / "c.json", source, data=data | own, micro_batch_size=BATCH, **changes)
        for name, (own, changes) in RUNS.items()
    }
    rounded = made["bf16"]  # one process keeps one precision
    first, *others = (path for path in made.values() if path != rounded)
    runs.run(first, "--also", os.pathsep.join(map(str, others)))
    runs.run(rounded)
    return made


@pytest.fixture
def run(configs, monkeypatch) -> Path:
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    return runs.run_dir(configs["disk"])


@pytest.fixture
def predictor(run) -> Predictor:
    return mtl_accel.load(run, "cpu")


@pytest.fixture
def paths(run) -> list[Path]:
    return sorted((Path(read_config(run / "config.json").data.source) / "val").glob("*.png"))


def answers(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="id")


def refused(predictor: Predictor, images: object) -> list[str]:
    with pytest.raises(UserError) as caught:
        predictor.predict(images)
    return caught.value.problems


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_logged_figures_of_the_best_epoch_come_out_to_the_last_digit(configs, monkeypatch, name, num_workers):
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    config = read_config(configs[name])
    predictor = mtl_accel.load(config.run_dir, "cpu", num_workers=num_workers)
    labelled = read_dataset(config)
    logits = predictor.logits(labelled.splits["validation"], name="validation")
    losses = build_training_losses(config.tasks, labelled.tasks, labelled.targets["train"])
    values = score(logits, predictor.tasks, losses, labelled.targets["validation"])
    *_, end = map(json.loads, (Path(config.run_dir) / "log.jsonl").read_text().splitlines())
    assert end["event"] == "end" and len(values) == 9
    assert values == {metric: end["best"][metric] for metric in values}


def test_a_run_and_its_model_are_the_same_predictor(run, paths):
    first, second = (mtl_accel.load(folder, "cpu").predict(paths) for folder in (run, str(run / "model")))
    pd.testing.assert_frame_equal(first, second)


def test_an_answer_is_the_likeliest_class_and_the_labels_from_their_threshold_on(predictor, paths):
    table = predictor.predict(paths, probabilities=True)
    classes, labels = list(runs.CLASSES), list(runs.LABELS)
    likely = table[[f"category/{name}" for name in classes]].to_numpy()
    assert likely.sum(axis=1) == pytest.approx(1) and list(table["category"]) == [classes[i] for i in likely.argmax(1)]
    there = table[[f"attribute/{name}" for name in labels]].to_numpy() >= predictor.thresholds["attribute"]
    assert (table[labels].to_numpy() == there).all()
    assert list(table) == ["id", "category", *labels, *(f"category/{c}" for c in classes), *table.columns[-3:]]
    assert list(predictor.predict(paths)) == ["id", "category", *labels]


def test_every_form_of_a_picture_gives_the_same_answers(predictor, paths):
    expected = predictor.predict(paths, probabilities=True)
    assert list(expected["id"]) == [str(path) for path in paths] and len(paths) == 13
    arrays = np.stack([np.array(Image.open(path)) for path in paths])
    tensors = torch.from_numpy(arrays).permute(0, 3, 1, 2)
    table = datasets.Dataset.from_dict({"image": list(map(str, paths)), "id": [f"n{i}" for i in range(13)]})
    forms = [list(map(str, paths)), map(Image.open, paths), arrays, list(arrays), tensors, list(tensors)]
    forms += [table, table.cast_column("image", datasets.Image()), table.remove_columns("id").with_format("torch")]
    for images in forms:
        pd.testing.assert_frame_equal(answers(predictor.predict(images, probabilities=True)), answers(expected))
    assert list(predictor.predict(table)["id"])[:2] == ["n0", "n1"]
    unnamed = table.remove_columns("id").cast_column("image", datasets.Image())
    assert list(predictor.predict(unnamed)["id"])[:2] == ["0", "1"]
    assert list(predictor.predict(tensors)["id"])[:2] == ["0", "1"]
    selected = predictor.predict(table.select([7, 3]), probabilities=True)
    assert list(selected["id"]) == ["n7", "n3"]
    assert answers(selected).iloc[0].to_list()[:4] == answers(expected).iloc[7].to_list()[:4]


@pytest.mark.parametrize("form", [str, Path, Image.open, lambda path: np.array(Image.open(path))])
def test_one_picture_alone_needs_no_list(predictor, paths, form):
    table = predictor.predict(form(paths[5]))
    assert len(table) == 1
    assert answers(table).iloc[0].to_list() == answers(predictor.predict(paths)).iloc[5].to_list()


def test_no_picture_gives_the_columns_and_no_row(predictor):
    table = predictor.predict([], probabilities=True, flip=True)
    assert len(table) == 0 and list(table)[:2] == ["id", "category"] and len(table.columns) == 11


def test_the_pictures_of_a_training_that_were_turned_are_turned_here_too(predictor, paths, tmp_path):
    picture = Image.open(paths[0])
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera lay on its side
    picture.save(tmp_path / "turned.png", exif=exif)
    upright = picture.transpose(Image.Transpose.ROTATE_270)
    tables = [predictor.predict(one, probabilities=True) for one in (tmp_path / "turned.png", upright)]
    pd.testing.assert_frame_equal(*map(answers, tables))
    assert not answers(tables[0]).equals(answers(predictor.predict(paths[0], probabilities=True)))


def test_flip_is_the_mean_over_a_picture_and_its_mirror_image(predictor, paths):
    pictures = [Image.open(path) for path in paths]
    mirrored = [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in pictures]
    both = [predictor.predict(images, probabilities=True) for images in (pictures, mirrored)]
    flipped = predictor.predict(pictures, probabilities=True, flip=True)
    columns = [name for name in flipped if "/" in name]
    assert not both[0][columns].equals(both[1][columns])
    # Resizing does not commute with mirroring to the last bit.
    np.testing.assert_allclose(flipped[columns], (both[0][columns] + both[1][columns]) / 2, atol=2e-3)
    same = predictor.predict(mirrored, probabilities=True, flip=True)
    np.testing.assert_allclose(flipped[columns], same[columns], atol=2e-3)


def test_no_more_than_a_batch_is_read_at_a_time(predictor, paths, monkeypatch):
    read: list[int] = []
    real = predictor.model.forward
    monkeypatch.setattr(predictor.model, "forward", lambda images: read.append(len(images)) or real(images))
    predictor.predict([*paths, "not/there.png"][:13])
    assert read == [BATCH] * 4
    read.clear()
    # What cannot be read is met in the last batch, when three were through the model.
    assert len(refused(predictor, [*paths[:12], "not/there.png"])) == 1 and read == [BATCH] * 3
    read.clear()
    predictor.predict(paths[:2])
    assert read == [2]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_file_that_cannot_be_read_is_named_at_once(run, paths, tmp_path, num_workers):
    predictor = mtl_accel.load(run, "cpu", num_workers=num_workers)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    bad = [tmp_path / "empty.jpg", tmp_path / "text.jpg", tmp_path]
    images = [bad[0], *paths[:7], bad[1], *paths, bad[2]]
    problems = refused(predictor, images)
    assert len(problems) == 3 and all(problem.startswith("images, id ") for problem in problems)
    assert all(f"image '{path}' cannot be read" in problem for path, problem in zip(bad, problems, strict=True))


def test_what_is_no_picture_is_told_with_what_would_be_one(predictor):
    wrong = [torch.zeros(3, 8, 8), np.zeros((3, 8, 8), np.uint8), 7, torch.zeros(1, 8, 8, dtype=torch.uint8)]
    *problems, accepted = refused(predictor, wrong)
    assert [problem.partition(":")[0] for problem in problems] == [f"images[{i}]" for i in range(4)]
    assert "a tensor of float32 [3, 8, 8] must be uint8 [3, H, W]" in problems[0]
    assert "an array of uint8 [3, 8, 8] must be uint8 [H, W, 3]" in problems[1] and "int is no picture" in problems[2]
    assert accepted.startswith("give a path")
    assert "float32 [3, 8, 8]" in refused(predictor, torch.zeros(2, 3, 8, 8))[0]
    assert "holds no pictures" in refused(predictor, None)[0]
    table = datasets.Dataset.from_dict({"x": [1.5]})
    assert "column 'x' holds no pictures but" in refused(predictor, table)[0]
    assert "DatasetDict is not one table" in refused(predictor, datasets.DatasetDict(test=table))[0]
    assert "no columns" in refused(predictor, datasets.Dataset.from_dict({}))[0]


def test_weights_that_are_not_finite_are_told_and_give_no_answer(predictor, paths):
    with torch.no_grad():
        predictor.model.heads["category"].weight[:] = float("nan")
    (problem,) = refused(predictor, paths)
    assert "task category" in problem and "13 of 13 pictures is not finite" in problem


def test_a_folder_without_a_model_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match=r"neither a run folder with a finished model in it.*RUN/model"):
            mtl_accel.load(path)
