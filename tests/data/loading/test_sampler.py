"""A sampler draws rows with replacement, as purely from seed and epoch as the permutation that it replaces."""

from __future__ import annotations

from pathlib import Path

import kill_many
import numpy as np
import pytest
import real_runs as runs
import small_run
from hypothesis import given, settings
from hypothesis import strategies as st

import mtl_accel
from mtl_accel import models
from mtl_accel.config import read_config
from mtl_accel.config.sections.sampling import RareLabels
from mtl_accel.config.sections.transforms import Normalize, RandomRotation, Resize
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.data.labels.reader import Targets
from mtl_accel.data.loading.sampler import PADDING, TrainingOrder, sample_weights
from mtl_accel.data.transforms.pipeline import ImagePipeline
from mtl_accel.inference.scoring import score
from mtl_accel.objective.losses import build_training_losses

NORMAL = Normalize(name="Normalize")
TASKS = {
    "category": Task("category", "multiclass", ("category",), ("a", "b", "c"), "accuracy"),
    "attribute": Task("attribute", "multilabel", ("x", "y"), ("x", "y"), "f1_macro"),
    "number": Task("number", "regression", ("n",), ("n",), "mae"),
}
TARGETS = {
    "category": Targets(np.array([0, 0, 0, 1, 0]), np.array([1, 1, 1, 1, 0], bool)),
    "attribute": Targets(
        np.array([[0, 0], [1, 0], [1, 1], [1, 0], [1, 1]], np.float32), np.array([[1, 1]] * 4 + [[1, 0]], bool)
    ),
    "number": Targets(np.ones((5, 1), np.float32), np.ones((5, 1), bool)),
}


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({"task": "category", "power": 1.0}, [4 / 3, 4 / 3, 4 / 3, 4, 1]),
        ({"task": "category"}, [(4 / 3) ** 0.5] * 3 + [2, 1]),
        ({"task": "attribute", "power": 1.0}, [1, 5 / 4, 4, 5 / 4, 5 / 4]),
        ({"power": 1.0}, [4 / 3, 4 / 3, 4, 4, 5 / 4]),
        ({"power": 1.0, "max_weight": 2.0}, [4 / 3, 4 / 3, 2, 2, 5 / 4]),
        ({"power": 0.0}, [1] * 5),
    ],
)
def test_a_sample_weighs_as_its_rarest_labelled_class_or_label_says(knobs, expected):
    found = sample_weights(RareLabels(name="rare_labels", **knobs), TASKS, TARGETS)
    assert found == pytest.approx(expected)


def test_without_a_sampler_nothing_weighs():
    assert sample_weights(None, TASKS, TARGETS) is None


@st.composite
def orders(draw) -> TrainingOrder:
    count, micro, parts = draw(st.integers(1, 40)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    drawn = draw(st.lists(st.floats(1, 10), min_size=count, max_size=count))
    return TrainingOrder(count, micro * parts, micro, draw(st.integers(0, 2**31 - 1)), np.array(drawn))


@settings(max_examples=60)
@given(orders(), st.integers(0, 5))
def test_an_epoch_has_as_many_draws_as_rows_and_each_is_one_of_its_own(order, epoch):
    steps = [order.samples(epoch, step) for step in reversed(range(order.num_steps))][::-1]
    rows, ids = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    real = ids != PADDING
    assert real.sum() == order.num_samples == len(set(ids[real])) and not real[order.num_samples :].any()
    assert (order.rows_of(ids[real]) == rows[real]).all() and ((rows >= 0) & (rows < order.num_samples)).all()
    for row in set(rows[real]):
        assert sorted(ids[real & (rows == row)] // order.num_samples) == list(range((rows[real] == row).sum()))
    parts = [order.micro_batch(epoch, s, i) for s in range(order.num_steps) for i in range(order.num_micro_batches)]
    assert np.concatenate([part.ids for part in parts]).tolist() == ids.tolist()


def test_rows_are_drawn_as_often_as_they_weigh_and_otherwise_in_each_epoch():
    given_weights = np.array([1.0] * 8 + [4.0, 8.0])
    order = TrainingOrder(10, 5, 5, 3, given_weights)
    epochs = [order.rows_of(order.ids(epoch)) for epoch in range(2000)]
    shares = np.bincount(np.concatenate(epochs), minlength=10) / 20_000
    assert shares == pytest.approx(given_weights / given_weights.sum(), abs=0.01)
    assert len({tuple(rows) for rows in epochs}) > 1990


def test_a_picture_that_is_drawn_twice_is_augmented_in_two_ways():
    key = TrainingOrder(10, 10, 10, 0, np.array([1.0] * 9 + [10.0])).micro_batch(0, 0, 0)
    transforms = (Resize(name="Resize", size=(8, 8)), RandomRotation(name="RandomRotation", degrees=(-20, 20)), NORMAL)
    (angles,) = ImagePipeline.from_transforms(transforms).batched.draw(key.augmentation_ids, 0).values()
    assert (key.rows == 9).sum() > 1 and len(np.unique(angles)) == 10


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[tuple[str, int], Path]:
    base = tmp_path_factory.mktemp("sampling")
    source = runs.write_source(base / "source", num_train=21, num_validation=9)
    data = {"source": str(source), "cache_dir": str(source / "cache"), "num_workers": 0}
    data["sampler"] = {"name": "rare_labels", "power": 1.0}

    def write(name: str, **changes) -> Path:
        return runs.write_config(base / name / "c.json", source, data=data, **changes)

    made = {("plain", world): write(f"plain{world}") for world in (1, 2)}
    made |= {("still", 1): write("still", **runs.STILL), ("cut", 1): write("cut", checkpoint_every_steps=1)}
    runs.run(made["plain", 1], "--also", str(made["still", 1]), TRACE="1")
    runs.run(made["plain", 2], processes=2, TRACE="1")
    return made


def test_one_and_two_processes_draw_the_same_and_end_with_the_same_weights(configs):
    one, two = configs["plain", 1], configs["plain", 2]
    assert runs.trace(one) == runs.trace(two)
    assert runs.epochs(one) == runs.epochs(two)
    assert runs.digest(one) == runs.digest(two)


def test_a_run_that_is_cut_within_an_epoch_goes_on_to_the_same_weights_and_metrics(configs):
    cut, whole = configs["cut", 1], configs["plain", 1]
    code, output = runs.finish(runs.start(cut, FAIL_ON_RANK="0"))  # in the third step
    assert code != 0 and kill_many.last_step(cut) == 2, output
    runs.run(cut)
    assert runs.epochs(cut) == runs.epochs(whole)
    assert runs.digest(cut) == runs.digest(whole)


def test_training_metrics_are_those_of_the_drawn_samples_and_validation_is_whole(configs, monkeypatch):
    monkeypatch.setitem(models.MODELS, "without", small_run.Without)
    path = configs["still", 1]
    config = read_config(path)
    labelled, predictor = read_dataset(config), mtl_accel.load(config.run_dir, "cpu")
    rows = np.array([i for step in runs.trace(path) for part in step["ids"] for i in part if i >= 0]) % 21
    assert len(rows) == 21 > len(set(rows))
    losses = build_training_losses(config.tasks, labelled.tasks, labelled.targets["train"])
    (logged,) = runs.epochs(path)
    for split, chosen in (("train", rows), ("validation", np.arange(9))):
        logits = predictor.logits(labelled.splits[split], name=split)[chosen]
        expected = score(logits, labelled.tasks, losses, labelled.select(split, chosen).targets[split])
        assert logged[split] == pytest.approx(expected, rel=1e-5)
