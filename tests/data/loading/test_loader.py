"""What a step sees is a function of seed, epoch and step alone; every sample counts once on any processes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loading_cases import pixels_of, split_of, targets_of

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.loader import (
    PADDING,
    EvaluationLoader,
    MicroBatches,
    TrainingLoader,
    TrainingOrder,
    _EvaluationKeys,
    _TrainingKeys,
)
from mtl_accel.data.loading.sampler import check_sizes

NUM = 13
quick = settings(max_examples=60)


@st.composite
def cuts(draw) -> tuple[TrainingOrder, int]:
    """An order, and a number of processes that its micro-batches can be dealt to."""
    micro, per_process, processes = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    count, seed = draw(st.integers(1, 60)), draw(st.integers(0, 2**31 - 1))
    return TrainingOrder(count, micro * per_process * processes, micro, seed), processes


epochs = st.integers(0, 5)


def keys_of(order: TrainingOrder, epoch: int, rank: int, processes: int, first_step: int = 0) -> list:
    keys = _TrainingKeys(order, rank, processes)
    keys.epoch, keys.first_step = epoch, first_step
    found = list(keys)
    assert len(found) == len(keys)
    return found


def plain(keys) -> list[tuple]:
    return [(key.epoch, key.step, key.micro_batch, key.rows.tolist(), key.ids.tolist()) for key in keys]


def by_place(order: TrainingOrder, epoch: int, processes: int) -> list:
    """All processes' keys together, in the order of step and micro-batch."""
    keys = [key for rank in range(processes) for key in keys_of(order, epoch, rank, processes)]
    return plain(sorted(keys, key=lambda key: (key.step, key.micro_batch)))


@quick
@given(cuts(), epochs)
def test_every_real_sample_comes_once_an_epoch(cut, epoch):
    order, processes = cut
    ids = np.concatenate([key.ids for rank in range(processes) for key in keys_of(order, epoch, rank, processes)])
    assert sorted(ids[ids != PADDING]) == list(range(order.num_samples))
    assert len(ids) == order.num_steps * order.batch_size


@quick
@given(cuts(), epochs)
def test_the_processes_together_run_what_one_process_runs(cut, epoch):
    order, processes = cut
    assert by_place(order, epoch, processes) == by_place(order, epoch, 1)


@quick
@given(cuts(), epochs, st.data())
def test_an_epoch_may_start_at_any_step(cut, epoch, data):
    order, processes = cut
    first_step = data.draw(st.integers(0, order.num_steps))
    for rank in range(processes):
        per_step = order.num_micro_batches // processes
        whole = plain(keys_of(order, epoch, rank, processes))
        assert plain(keys_of(order, epoch, rank, processes, first_step)) == whole[first_step * per_step :]


@quick
@given(cuts(), epochs)
def test_a_step_does_not_depend_on_what_was_asked_before(cut, epoch):
    order, _ = cut
    fresh = TrainingOrder(order.num_samples, order.batch_size, order.micro_batch_size, order.seed)
    order.samples(epoch + 1, 0)
    for step in reversed(range(order.num_steps)):
        for found, expected in zip(order.samples(epoch, step), fresh.samples(epoch, step), strict=True):
            assert (found == expected).all()


@quick
@given(cuts(), epochs)
def test_the_cut_into_micro_batches_does_not_change_a_step(cut, epoch):
    order, _ = cut
    whole = TrainingOrder(order.num_samples, order.batch_size, order.batch_size, order.seed)
    for step in range(order.num_steps):
        parts = [order.micro_batch(epoch, step, index) for index in range(order.num_micro_batches)]
        assert np.concatenate([part.ids for part in parts]).tolist() == whole.samples(epoch, step)[1].tolist()


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(TrainingOrder(50, 8, 4, seed).ids(epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@quick
@given(cuts(), epochs)
def test_only_the_end_of_the_last_step_is_padded_and_padding_counts_nowhere(cut, epoch):
    order, _ = cut
    for step in range(order.num_steps):
        rows, ids = order.samples(epoch, step)
        real = ids != PADDING
        assert (rows[real] == ids[real]).all() and ((rows >= 0) & (rows < order.num_samples)).all()
        num_real = min(order.batch_size, order.num_samples - step * order.batch_size)
        assert real.tolist() == [True] * num_real + [False] * (order.batch_size - num_real)


@quick
@given(st.integers(1, 200), st.one_of(st.none(), st.integers(1, 200)), st.integers(1, 9))
def test_sizes_are_dealt_evenly_or_sizes_that_work_are_named(batch_size, micro_batch_size, processes):
    try:
        found = check_sizes(batch_size, micro_batch_size, processes)
    except UserError as error:
        (message,) = error.problems
        assert str(batch_size) in message and f"{processes} processes" in message
        named_micro = re.search(r"set micro_batch_size to (\d+)(?: or (\d+))?", message)
        named_batch = re.search(
            r"set (?:it|batch_size) to (?:a multiple of \d+, such as )?(\d+)(?: or (\d+))?", message
        )
        assert named_batch is not None
        for size in filter(None, named_micro.groups() if named_micro else ()):
            assert check_sizes(batch_size, int(size), processes) == int(size)
        for size in filter(None, named_batch.groups()):
            check_sizes(int(size), micro_batch_size, processes)
    else:
        assert batch_size % (found * processes) == 0
        assert found == (micro_batch_size or batch_size // processes)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("count", range(1, 18))
def test_evaluation_sees_every_sample_once_and_all_processes_equally_many_batches(count, processes):
    for batch_size in (1, 3, 4):
        loaders = [list(_EvaluationKeys(count, batch_size, rank, processes)) for rank in range(processes)]
        assert len({len(keys) for keys in loaders}) == 1
        assert {len(key.ids) for keys in loaders for key in keys} == {batch_size}
        ids = np.concatenate([key.ids for keys in loaders for key in keys])
        assert sorted(ids[ids != PADDING]) == list(range(count))


@pytest.fixture(scope="module")
def split():
    return split_of(NUM)


def micro_batches(split, folder, cache: str) -> MicroBatches:
    return MicroBatches(pixels_of(split, folder, cache=cache), targets_of(NUM))


def epoch_of(loader: TrainingLoader, epoch: int, first_step: int = 0) -> list:
    return list(loader.steps(epoch, first_step))


def loader_of(data: MicroBatches, num_workers: int = 0, rank: int = 0, processes: int = 1) -> TrainingLoader:
    return TrainingLoader(data, TrainingOrder(NUM, 4, 2, 0), rank, processes, num_workers, torch.device("cpu"))


def assert_same(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for (step, batches, counts), (other_step, others, other_counts) in zip(found, expected, strict=True):
        assert (step, counts) == (other_step, other_counts)
        for batch, other in zip(batches, others, strict=True):
            assert plain([batch.key]) == plain([other.key])
            for here, there in ((batch.targets, other.targets), (batch.masks, other.masks)):
                assert all(torch.equal(here[name], there[name]) for name in there)
            assert torch.equal(batch.images, other.images) and torch.equal(batch.ids, other.ids)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_decoding_in_workers_gives_the_batches_of_the_disk_cache_in_every_epoch(split, tmp_path, num_workers):
    expected = loader_of(micro_batches(split, tmp_path, "disk"))
    found = loader_of(micro_batches(split, tmp_path, "none"), num_workers)
    for epoch, first_step in ((0, 0), (1, 0), (5, 2), (0, 3)):
        assert_same(epoch_of(found, epoch, first_step), epoch_of(expected, epoch, first_step))


def test_workers_that_were_left_in_the_middle_of_an_epoch_start_the_next_one_anew(split, tmp_path):
    loader = loader_of(micro_batches(split, tmp_path, "none"), 2)
    steps = loader.steps(0)
    next(steps)
    steps.close()
    assert_same(epoch_of(loader, 1), epoch_of(loader_of(micro_batches(split, tmp_path, "disk")), 1))


def test_batches_hold_pictures_targets_and_masks_of_their_rows(split, tmp_path):
    data, targets = micro_batches(split, tmp_path, "disk"), targets_of(NUM)
    for _, batches, counts in loader_of(data).steps(0):
        for batch in batches:
            assert torch.equal(batch.images, data.pixels.read(batch.key.rows))
            real = batch.ids != PADDING
            for name, (target, mask) in targets.items():
                assert torch.equal(batch.targets[name], torch.from_numpy(target[batch.key.rows]))
                assert not batch.masks[name][~real].any()
                assert torch.equal(batch.masks[name][real], torch.from_numpy(mask[batch.ids[real].numpy()]))
        assert counts == {name: sum(int(batch.masks[name].sum()) for batch in batches) for name in targets}


def test_every_process_knows_the_counts_of_all(split, tmp_path):
    data = micro_batches(split, tmp_path, "disk")
    one = [counts for _, _, counts in loader_of(data).steps(3)]
    for rank in range(2):
        assert [counts for _, _, counts in loader_of(data, rank=rank, processes=2).steps(3)] == one


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 4))
def test_evaluation_batches_hold_the_whole_split_in_order(split, tmp_path_factory, batch_size, processes):
    data = micro_batches(split, tmp_path_factory.getbasetemp() / "evaluation", "disk")
    loaders = [EvaluationLoader(data, batch_size, rank, processes, 0, torch.device("cpu")) for rank in range(processes)]
    rounds = list(zip(*loaders, strict=True))
    assert {len(loader) for loader in loaders} == {len(rounds)}
    batches = [batch for dealt in rounds for batch in dealt]
    ids = torch.cat([batch.ids for batch in batches])
    assert ids[ids != PADDING].tolist() == list(range(NUM))
    masks = torch.cat([batch.masks["attribute"] for batch in batches])
    assert torch.equal(masks[ids != PADDING], torch.from_numpy(targets_of(NUM)["attribute"].mask))
    assert not masks[ids == PADDING].any()
