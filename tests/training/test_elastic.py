"""One result whatever the processes: real processes, real losses, real weights."""

import os
import shutil
from pathlib import Path

import pytest
import real_runs as runs

pytestmark = pytest.mark.slow

DATA = {"num_workers": 0, "cache": "disk"}
# Evaluates random weights: with so small a rate they stay what they are, and nothing depends on the micro-batch.
STILL = {
    "epochs": 1,
    "batch_size": 24,
    "micro_batch_size": 2,
    "optimizer": {"name": "SGD", "lr": 1e-30},
    "model": {"name": "without"},
}
MIXED = {
    "micro_batch_size": 2,
    "mixing": [{"name": "mixup", "probability": 0.5}, {"name": "cutmix", "probability": 0.4}],
}
_IN_ORDER = {"kind": "ordinal", "column": "category", "classes": list(runs.CLASSES)}
ORDINAL = {
    "micro_batch_size": 2,
    "tasks": {
        "size": _IN_ORDER | {"loss": {"name": "cumulative_link", "class_weights": "balanced"}},
        "grade": _IN_ORDER | {"loss": {"name": "corn"}},
    },
}
# Name: (keys of the config, keys of its data section, numbers of processes).
SCENARIOS = {
    "micro4": ({}, DATA, (1, 2)),
    "micro2": ({"micro_batch_size": 2}, DATA, (1, 2)),
    "long": ({"micro_batch_size": 2, "epochs": 10}, DATA, (1, 4)),
    "sparse": ({"micro_batch_size": 2}, DATA, (1, 2)),  # most micro-batches hold no class at all
    "still": (STILL, DATA, (1, 2, 3, 4)),
    "worker1": ({}, {"num_workers": 1, "cache": "none"}, (1,)),
    "worker3": ({}, {"num_workers": 3, "cache": "none"}, (1,)),
    "worker0": ({}, {"num_workers": 0, "cache": "none"}, (1, 2)),
    "mixed": (MIXED, DATA, (1, 2, 4)),
    "mixed-worker1": (MIXED, {"num_workers": 1, "cache": "none"}, (1,)),
    "ordinal": (ORDINAL, DATA, (1, 2)),
    "device": ({}, {"num_workers": 0, "cache": "device"}, (1,)),
}


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[tuple[str, int], Path]:
    """Every scenario on every number of processes, run for real; one launch a number of processes."""
    base = tmp_path_factory.mktemp("elastic")
    source = runs.write_source(base / "source", num_train=37, num_validation=13)
    sparse = runs.write_source(base / "sparse", num_train=37, num_validation=13, labelled_every=5)
    made = {}
    for name, (changes, data, worlds) in SCENARIOS.items():
        whole = {"source": str(sparse if name == "sparse" else source), "cache_dir": str(base / "cache"), **data}
        for world in worlds:
            made[name, world] = runs.write_config(base / f"{name}{world}" / "c.json", source, data=whole, **changes)
    for world in (1, 2, 3, 4):
        first, *others = (path for (_, number), path in made.items() if number == world)
        runs.run(first, "--also", os.pathsep.join(map(str, others)), processes=world, TRACE="1")
    return made


@pytest.mark.parametrize("pair", ["resnet18_relu_linear", "vgg16_relu_linear"])
def test_the_source_s_pairs_end_with_equal_weights_on_one_and_two_processes(tmp_path, pair):
    source = runs.write_source(tmp_path / "source", num_train=12, num_validation=4)
    digests = []
    for world in (1, 2):
        config = runs.write_config(tmp_path / str(world) / "c.json", source, model={"name": pair}, epochs=1)
        runs.run(config, processes=world)
        digests.append((runs.digest(config), runs.epochs(config)))
        shutil.rmtree(runs.run_dir(config))  # two checkpoints of VGG16 are 3 GB
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["micro4", "micro2", "sparse", "mixed", "ordinal"])
def test_one_and_two_processes_end_with_equal_weights_losses_and_metrics(configs, name):
    one, two = configs[name, 1], configs[name, 2]
    assert runs.trace(one) == runs.trace(two)
    assert runs.epochs(one) == runs.epochs(two)
    assert runs.digest(one) == runs.digest(two)


def test_four_processes_differ_only_by_the_order_of_sums(configs):
    one, four = (runs.trace(configs["long", world]) + runs.trace(configs["mixed", world]) for world in (1, 4))
    assert len(one) == len(four) == 60
    for a, b in zip(one, four, strict=True):
        assert (a["ids"], a["parameters"]) == (b["ids"], b["parameters"])
        assert a["losses"] == pytest.approx(b["losses"], abs=1e-6)


@pytest.mark.parametrize("name", ["worker0", "worker1", "worker3", "device", "mixed-worker1"])
def test_loader_workers_and_the_kind_of_cache_change_nothing(configs, name):
    plain, other = configs["mixed" if name == "mixed-worker1" else "micro4", 1], configs[name, 1]
    assert runs.trace(plain) == runs.trace(other)
    assert runs.epochs(plain) == runs.epochs(other)
    assert runs.digest(plain) == runs.digest(other)


@pytest.mark.parametrize("world", [2, 3, 4])
def test_thirteen_samples_give_the_metrics_of_one_process_to_the_last_digit(configs, world):
    one, many = runs.epochs(configs["still", 1]), runs.epochs(configs["still", world])
    assert one[0]["validation"] == many[0]["validation"]


def test_each_epoch_sees_every_sample_once_in_another_order(configs):
    steps = runs.trace(configs["micro4", 2])
    orders = []
    for epoch in (0, 1):
        ids = [i for step in steps if step["epoch"] == epoch for part in step["ids"] for i in part if i >= 0]
        assert sorted(ids) == list(range(37))
        orders.append(ids)
    assert orders[0] != orders[1]


def test_learning_rates_do_not_depend_on_the_number_of_processes(configs):
    assert [row["lr"] for row in runs.epochs(configs["micro4", 2])] == [0.003, 0.0015]
