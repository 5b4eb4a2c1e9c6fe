"""The loops that ours is measured against read the same pictures and learn the same thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import real_runs as runs
import torch
from augment_cases import CASES, transform
from PIL import Image
from small_run import Small, Without
from torchvision import transforms as tv

from mtl_accel import models
from mtl_accel.config import Config, read_config
from mtl_accel.config.sections.losses import Focal
from mtl_accel.config.sections.picture_sizes import extent_after
from mtl_accel.config.sections.sampling import RareLabels
from mtl_accel.config.sections.transforms import CenterCrop, Normalize, Resize
from mtl_accel.data.labels.dataset import LabeledDataset, read_dataset
from mtl_accel.inference.scoring import score
from mtl_accel.preflight.benchmark.contestants.huggingface import HuggingFace, collate
from mtl_accel.preflight.benchmark.contestants.notebook import Notebook
from mtl_accel.preflight.benchmark.contestants.peer import Peer, differences, pil_transforms
from mtl_accel.preflight.benchmark.prepare import prepare_run, start_accelerator, subset
from mtl_accel.training import engine
from mtl_accel.training.checkpointing import Checkpoints
from mtl_accel.training.run import Run

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = {
    "train": [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}],
    "eval": [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}],
}


@pytest.fixture(autouse=True)
def small_on_cpu(monkeypatch, on_cpu) -> None:
    """Small models, and an Accelerator of each test's own."""
    monkeypatch.setitem(models.MODELS, "small", Small)
    monkeypatch.setitem(models.MODELS, "without", Without)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source") / "shapes", num_train=60, num_validation=30)


def config_of(source: Path, folder: Path, **changes: Any) -> Config:
    standard = {"mixed_precision": "no", "transforms": PLAIN, "model": {"name": "without"}, "micro_batch_size": None}
    return read_config(runs.write_config(folder / "c.json", source, **(standard | changes)))


def complete(config: Config) -> LabeledDataset:
    """The source without the rows that lack a label, as the peers expect it."""
    labelled = read_dataset(config)
    for split in ("train", "validation"):
        masks = [mask.reshape(len(mask), -1).all(axis=1) for _, mask in labelled.targets[split].values()]
        labelled = labelled.select(split, np.flatnonzero(np.all(masks, axis=0)))
    return labelled


def run_of(config: Config, labelled: LabeledDataset) -> Run:
    accelerator, micro_batch_size = start_accelerator(config)
    Path(config.run_dir).mkdir(parents=True, exist_ok=True)
    return prepare_run(config, accelerator, labelled, micro_batch_size)


def picture(height: int = 60, width: int = 48) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def seeded(transform: Any) -> torch.Tensor:
    torch.manual_seed(3)
    return transform(picture())


def test_a_config_s_transforms_are_torchvision_s_own():
    config = read_config("configs/v5.json")
    base = [tv.Resize((256, 256)), tv.CenterCrop((224, 224))]
    last = [tv.ToTensor(), tv.Normalize(MEAN, STD)]
    jitter = tv.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.1, hue=0.1)
    train = tv.Compose([*base, tv.RandomHorizontalFlip(0.5), jitter, tv.RandomRotation((-90, 90)), *last])
    assert torch.equal(seeded(pil_transforms(config.transforms.train)), seeded(train))
    assert torch.equal(seeded(pil_transforms(config.transforms.eval)), seeded(tv.Compose([*base, *last])))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"Normalize"}))
def test_every_transform_has_its_counterpart(name):
    before, after = [Resize(name="Resize", size=(40, 30))], [Normalize(name="Normalize")]
    own = transform(name, **CASES[name])
    ordered = [*before, *after, own] if name == "RandomErasing" else [*before, own, *after]
    made = pil_transforms(ordered)
    if name != "PadToSquare":  # torchvision has none, and ours serves
        assert type(made.transforms[-1 if name == "RandomErasing" else 1]) is getattr(tv, name)
    assert seeded(made).shape == (3, *extent_after(ordered).size) and seeded(made).dtype == torch.float32


def test_a_peer_validates_on_the_middle_where_our_run_takes_several_crops() -> None:
    listed = [transform("Resize", size=None, max_size=40), transform("TenCrop", size=(20, 24)), transform("Normalize")]
    assert seeded(pil_transforms(listed)).shape == (3, 20, 24)


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("TrivialAugmentWide", {"num_magnitude_bins": 9}),
        ("GaussianNoise", {"sigma": 0.05}),
        ("JPEG", {"quality": [40, 60]}),
        ("RandomAffine", {"degrees": 10, "interpolation": "bilinear"}),
        ("AutoAugment", {"policy": "cifar10"}),
    ],
)
def test_torchvision_s_other_transforms_take_their_arguments(name, knobs):
    listed = [Resize(name="Resize", size=(40, 30)), transform(name, **knobs), Normalize(name="Normalize")]
    assert seeded(pil_transforms(listed)).shape == (3, 40, 30)


def test_peers_read_the_pixels_and_labels_that_our_loop_reads(source, tmp_path):
    config = config_of(source, tmp_path)
    labelled = complete(config)
    run = run_of(config, labelled)
    hub, notebook = HuggingFace(config, labelled, 8), Notebook(config, labelled, torch.device("cpu"))
    _, (batch,), _ = next(iter(run.train_loader.steps(0)))
    rows = batch.key.rows.tolist()
    images = run.pipelines.train.batched(batch.images, batch.key.rows, 0)
    theirs = collate([hub.train_data[row] for row in rows])
    torch.testing.assert_close(theirs["pixel_values"], images, rtol=0, atol=1e-5)
    pixels, labels = zip(*(notebook.train_loader.dataset[row] for row in rows), strict=True)
    torch.testing.assert_close(torch.stack(pixels), images, rtol=0, atol=1e-5)
    for name, target in batch.targets.items():
        assert torch.equal(theirs[name].to(target), target)
        assert torch.equal(torch.stack([label[name] for label in labels]), target)


def test_peers_start_from_our_weights_and_our_loss(source, tmp_path):
    tasks = {
        "category": {"kind": "multiclass", "column": "category", "weight": 0.5},
        "attribute": {"kind": "multilabel", "weight": 6.0},
    }
    config = config_of(source, tmp_path, tasks=tasks)
    labelled = complete(config)
    run = run_of(config, labelled)
    hub, notebook = HuggingFace(config, labelled, 8), Notebook(config, labelled, torch.device("cpu"))
    _, (batch,), counts = next(iter(run.train_loader.steps(0)))
    images = run.pipelines.train.batched(batch.images, batch.key.rows, 0)
    divisors = torch.tensor([counts[name] for name in run.tasks])
    ours = run.objective(images, batch.targets, batch.masks, divisors).total
    inputs = collate([hub.train_data[row] for row in batch.key.rows.tolist()])
    for peer in (hub, notebook):
        torch.testing.assert_close(peer.model(**inputs)[0], ours, rtol=1e-5, atol=1e-6)


def test_peers_metrics_are_ours_for_the_same_weights(source, tmp_path):
    config = config_of(source, tmp_path, model={"name": "small"})
    labelled = complete(config)
    run = run_of(config, labelled)
    ours = score(engine.predict(run, run.validation_loader), run.tasks, run.losses, run.validation_targets)
    hub = HuggingFace(config, labelled, 8).validate()
    assert hub == pytest.approx({name: ours[name] for name in hub}, abs=1e-6)
    assert hub.keys() == {name for name in ours if not name.endswith("loss")}
    # The notebook's loss is the mean over its batches' losses, each weighed by its size: here the same.
    notebook = Notebook(config, labelled, torch.device("cpu")).validate()
    assert notebook == pytest.approx({name: ours[name] for name in notebook}, abs=1e-5)
    assert notebook.keys() == {"loss", "category/accuracy", "attribute/f1_macro"}


@pytest.mark.parametrize("clips", [None, 0.01])
def test_one_epoch_on_one_batch_ends_with_our_weights(source, tmp_path, clips):
    """With a single batch a shuffled order changes nothing; Hugging Face's loop accumulates two micro-batches."""
    sgd = {"name": "SGD", "lr": 0.1, "momentum": 0.9}
    config = config_of(source, tmp_path, optimizer=sgd, gradient_clip_norm=clips, epochs=2)
    labelled = subset(complete(config), 8)
    run = run_of(config, labelled)
    hub, notebook = HuggingFace(config, labelled, 4), Notebook(config, labelled, torch.device("cpu"))
    before = [parameter.clone() for parameter in notebook.model.parameters()]
    for peer in (hub, notebook):
        peer.train_epoch()
    # After them: they leave no trace in Accelerate.
    engine.train_epoch(run, Checkpoints(run.config, ""), engine.Interrupts(environment={}))
    ours = run.unwrapped_objective.model.state_dict()
    for peer in (hub.accelerator.unwrap_model(hub.model), notebook.model):
        assert any(not torch.equal(*pair) for pair in zip(before, peer.parameters(), strict=True))
        for name, value in peer.pair.state_dict().items():
            torch.testing.assert_close(value, ours[name], rtol=1e-4, atol=1e-6)


def test_a_peer_comes_to_the_same_metrics_again(source, tmp_path):
    config = config_of(source, tmp_path, scheduler={"name": "OneCycleLR"}, epochs=3)
    labelled = complete(config)
    start_accelerator(config)

    def trained(peer: Peer) -> dict[str, float]:
        for _ in range(config.epochs):
            peer.train_epoch()
        return peer.validate()

    for make in (lambda: HuggingFace(config, labelled, 8), lambda: Notebook(config, labelled, torch.device("cpu"))):
        first = trained(make())
        assert first == trained(make())
        assert all(0 <= value <= 1 for name, value in first.items() if name != "loss")


def test_what_the_peers_do_not_know_is_said(source, tmp_path):
    config = config_of(source, tmp_path)
    assert differences(config, complete(config)) == []
    (note,) = differences(config, read_dataset(config))
    assert note.startswith("the peers do not support missing labels, and take ")
    task = config.tasks["category"].model_copy(update={"loss": Focal(name="focal")})
    data = config.data.model_copy(update={"sampler": RareLabels(name="rare_labels")})
    config = config.model_copy(update={"tasks": {**config.tasks, "category": task}, "data": data})
    notes = differences(config, complete(config))
    assert notes == [
        "the peers train category on cross-entropy or squared error without options",
        "the peers see each sample once an epoch, and do not support a sampler",
    ]


def test_peers_predict_numbers_in_the_unit_of_their_columns(source, tmp_path):
    """A run of ours learns them standardised. The peers do not, and their metrics are those of what they learn."""
    tasks = {"size": {"kind": "regression", "columns": ["big"]}}
    config = config_of(source, tmp_path, tasks=tasks)
    labelled = complete(config)
    assert differences(config, labelled) == ["the peers train size in the unit of the columns, not standardised"]
    start_accelerator(config)
    hub, notebook = HuggingFace(config, labelled, 8), Notebook(config, labelled, torch.device("cpu"))
    assert hub.validate()["size/mae"] == pytest.approx(notebook.validate()["size/mae"], rel=1e-5)


def test_a_crop_is_translated_by_its_own_name():
    made = pil_transforms([Resize(name="Resize", size=(9, 9)), CenterCrop(name="CenterCrop", size=(4, 6))])
    assert made(picture()).size == (6, 4)
