"""Numbers that no float32 can square are refused where their squares would be learnt, and learnt where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mtl_accel.config import Config, validate
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import LabeledDataset, read_dataset
from mtl_accel.objective.losses import build_training_losses

SIZE = {"name": "Resize", "size": [8, 8]}
TRANSFORMS = {"train": [SIZE, {"name": "Normalize"}], "eval": [SIZE, {"name": "Normalize"}]}


def read(folder: Path, **options: object) -> tuple[Config, LabeledDataset]:
    """A table with a price of 1e20 in one row, and a weight, as one regression task."""
    for split, prices in (("train", ["1e20", "3", "-2e5", ""]), ("val", ["1", "5"])):
        rows = [f"{split}{row}.png,{price},2.5\n" for row, price in enumerate(prices)]
        folder.mkdir(exist_ok=True)
        (folder / f"{split}.csv").write_text("".join(["image,price,weight\n", *rows]))
        for row in range(len(prices)):
            Image.new("RGB", (8, 8)).save(folder / f"{split}{row}.png")
    task = {"kind": "regression", "columns": ["price", "weight"], **options}
    raw = {
        "run_dir": str(folder / "run"),
        "data": {"source": str(folder), "cache_dir": str(folder / "cache")},
        "tasks": {"number": task},
        "model": {"name": "resnet18_linear", "weights": None},
        "transforms": TRANSFORMS,
        "epochs": 1,
        "batch_size": 2,
        "optimizer": {"name": "AdamW"},
    }
    config = validate(raw, "c.json")
    return config, read_dataset(config)


def test_a_number_whose_square_overflows_is_named_with_the_knob_that_helps(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path / "data", standardise=False)
    (problem,) = caught.value.problems
    assert problem.startswith("tasks.number: column 'price' reaches 1e+20, and float32 holds no square of more than 2e")
    assert "set tasks.number.standardise to true" in problem


@pytest.mark.parametrize("options", [{}, {"standardise": False, "loss": {"name": "huber"}}])
def test_without_its_square_it_has_a_finite_loss_and_gradient(tmp_path: Path, options: dict) -> None:
    config, labelled = read(tmp_path / "data", **options)
    losses = build_training_losses(config.tasks, labelled.tasks, labelled.targets["train"])
    target, mask = labelled.targets["train"]["number"]
    outputs = torch.zeros(target.shape, requires_grad=True)
    loss = losses["number"](outputs, torch.from_numpy(target))[torch.from_numpy(mask)].sum()
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert np.isfinite(float(loss.detach())) and bool(gradient.isfinite().all())
