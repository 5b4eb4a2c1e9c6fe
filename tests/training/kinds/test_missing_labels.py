"""Any label of any row may be missing: here each row is labelled for one task only."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import real_runs as runs
import small_run
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import mtl_accel
from mtl_accel import models
from mtl_accel.config import read_config
from mtl_accel.config.sections.model import Architecture
from mtl_accel.core import rng
from mtl_accel.data.labels.dataset import read_dataset

WORLDS = (1, 2)
TASKS = {
    "category": {
        "kind": "multiclass",
        "column": "category",
        "loss": {"name": "cross_entropy", "class_weights": "balanced"},
    },
    "attribute": {"kind": "multilabel", "loss": {"name": "bce", "pos_weight": "balanced", "max_pos_weight": 1.5}},
}


def write_source(folder: Path) -> Path:
    """Shapes with a class or with labels, never with both; of these some are blank, too."""
    runs.write_source(folder, num_train=22, num_validation=9)
    for table in folder.glob("*.csv"):
        with table.open(newline="") as file:
            head, *rows = csv.reader(file)
        for index, row in enumerate(rows):
            if row[1] and index % 2 == 0:
                row[2:] = [""] * len(runs.LABELS)
            else:
                row[1] = ""
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
    return folder


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[tuple[str, int], Path]:
    base = tmp_path_factory.mktemp("missing")
    source = write_source(base / "source")
    made = {}
    for world in WORLDS:
        for name, changes in (("learning", {"epochs": 1}), ("still", runs.STILL)):
            path = base / f"{name}{world}" / "c.json"
            made[name, world] = runs.write_config(path, source, tasks=TASKS, **changes)
        runs.run(made["learning", world], "--also", str(made["still", world]), processes=world, TRACE="1")
    return made


def initial(name: str) -> torch.nn.Module:
    torch.manual_seed(rng.seed_of(0, rng.INITIAL))
    return models.build_pair(Architecture(name=name), {"category": 3, "attribute": 3}, None)


@pytest.mark.parametrize("world", WORLDS)
def test_both_heads_learn_though_no_row_has_labels_of_both(configs, monkeypatch, world):
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    before = initial("small").state_dict()
    after = load_file(runs.run_dir(configs["learning", world]) / "model" / "model.safetensors")
    for head in ("category", "attribute"):
        names = [name for name in after if name.startswith("heads.") and head in name]
        assert names and all(not torch.equal(after[name], before[name]) for name in names)


def test_one_process_and_two_learn_the_same_from_it(configs):
    one, two = (configs["learning", world] for world in WORLDS)
    assert runs.trace(one) == runs.trace(two)
    assert runs.epochs(one) == runs.epochs(two)
    assert runs.digest(one) == runs.digest(two)


def by_hand(logits: torch.Tensor, targets, rows: np.ndarray, train) -> list[float]:
    """Each task's mean over what is labelled in some rows, with balanced weights out of the training labels."""
    target, mask = (torch.from_numpy(part[rows]) for part in targets["category"])
    counts = np.bincount(train["category"].target[train["category"].mask], minlength=3)
    weight = torch.from_numpy(counts.sum() / (3 * counts))
    elements = -logits[rows, :3].log_softmax(1)[torch.arange(len(rows)), target] * weight[target]
    found = [elements[mask].sum() / max(int(mask.sum()), 1)]
    target, mask = (torch.from_numpy(part[rows]) for part in targets["attribute"])
    known = train["attribute"].mask
    positives = (train["attribute"].target * known).sum(0)
    weight = torch.from_numpy(((known.sum(0) - positives) / positives).clip(1 / 1.5, 1.5))
    z = logits[rows, 3:]
    elements = torch.where(target == 1, weight * F.softplus(-z), F.softplus(z))
    return [float(loss) for loss in (*found, elements[mask].sum() / max(int(mask.sum()), 1))]


@pytest.mark.parametrize("world", WORLDS)
def test_every_logged_loss_is_the_true_mean_over_what_is_labelled(configs, monkeypatch, world):
    monkeypatch.setitem(models.MODELS, "without", small_run.Without)
    path = configs["still", world]
    config = read_config(path)
    labelled, predictor = read_dataset(config), mtl_accel.load(config.run_dir, "cpu")
    train = labelled.targets["train"]
    assert not (train["category"].mask & train["attribute"].mask.any(axis=1)).any()
    (row,) = runs.epochs(path)
    for split in ("train", "validation"):
        targets, everything = labelled.targets[split], np.arange(len(labelled.splits[split]))
        logits = predictor.logits(labelled.splits[split], name=split).double()
        losses = by_hand(logits, targets, everything, train)
        logged = [row[split][name] for name in ("category/loss", "attribute/loss", "loss")]
        assert logged == pytest.approx([*losses, sum(losses)], rel=1e-5)
        if split == "train":
            for step in runs.trace(path):
                ids = np.array([i for part in step["ids"] for i in part if i >= 0])
                assert step["losses"] == pytest.approx(by_hand(logits, targets, ids, train), rel=1e-5)


def test_evaluation_scores_with_the_weights_of_training_though_the_training_split_is_gone(configs, monkeypatch):
    monkeypatch.setitem(models.MODELS, "without", small_run.Without)
    run = runs.run_dir(configs["still", 1])
    (row,) = runs.epochs(configs["still", 1])
    config = read_config(run / "config.json")
    other = Path(config.data.source).with_name("other")
    shutil.copytree(config.data.source, other, ignore=shutil.ignore_patterns("train*", "cache"))
    data = config.data.model_copy(update={"source": str(other)})
    found = mtl_accel.evaluate(run, config=config.model_copy(update={"data": data}))["metrics"]
    for name in ("category/loss", "attribute/loss", "loss"):
        assert found[name]["value"] == row["validation"][name]
