"""Mixup and CutMix: what is drawn, the pixels, the labels' weights and the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loading_cases import pixels_of, split_of, targets_of
from loss_cases import OUTPUTS
from objective_cases import LOSSES, NUM, Batch, Model, tasks_of
from scipy import stats
from torch import nn

from mtl_accel.config.sections.balancing import Fixed
from mtl_accel.config.sections.sampling import CutMix, Mixup
from mtl_accel.data.loading.loader import MicroBatches, TrainingLoader, TrainingOrder
from mtl_accel.data.transforms.mixing import Mix, Mixing, mixed
from mtl_accel.objective.balancing.loss_weights import FixedWeights
from mtl_accel.objective.objective import Objective

SIZE = (9, 14)
ROWS = 19
BOTH = (Mixup(name="mixup", alpha=0.4, probability=0.4), CutMix(name="cutmix", probability=0.4))
quick = settings(max_examples=30)
alphas = st.floats(0.01, 20)
seeds = st.integers(0, 2**31 - 1)


@st.composite
def mixings(draw: st.DrawFn) -> Mixing:
    first, second = draw(st.floats(0.01, 1)), draw(st.floats(0.01, 1))
    scale = max(first + second, 1.0)
    blend = Mixup(name="mixup", alpha=draw(alphas), probability=first / scale)
    paste = CutMix(name="cutmix", alpha=draw(alphas), probability=second / scale)
    methods = draw(st.sampled_from([(blend,), (paste,), (blend, paste), (paste, blend)]))
    return Mixing(methods, draw(seeds), draw(st.tuples(st.integers(1, 40), st.integers(1, 40))))


@st.composite
def padded_ids(draw: st.DrawFn) -> np.ndarray:
    ids = draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=20, unique=True))
    return np.array(ids + [-1] * draw(st.integers(0, 3)))


def always(method: type[Mixup] | type[CutMix], alpha: float = 1.0, size: tuple[int, int] = SIZE) -> Mixing:
    return Mixing([method(name=method.__name__.lower(), alpha=alpha)], 0, size)


@quick
@given(mixings(), padded_ids(), st.integers(0, 99))
def test_a_share_is_the_mean_of_what_its_pixels_count_and_at_least_half(mixing, ids, epoch):
    mix = mixing.draw(epoch, ids)
    own = torch.stack([mixed(torch.eye(len(ids))[index].view(-1, 1, 1, 1).expand(-1, 3, *mixing.size), mix)[index]
                       for index in range(len(ids))])  # fmt: skip
    alone = mix.partners == torch.arange(len(ids))
    expected = torch.where(alone, 1.0, own.double().mean((1, 2, 3)))
    torch.testing.assert_close(mix.shares.double(), expected, rtol=0, atol=1e-6)
    assert (mix.shares >= 0.5).all() and (mix.shares <= 1).all() and (mix.shares[alone] == 1).all()
    assert ((mix.inside == mix.outside) | ((mix.inside + mix.outside == 1) & (mix.inside * mix.outside == 0))).all()


@quick
@given(mixings(), padded_ids())
def test_each_real_sample_is_a_partner_once_and_padding_is_nobody_s(mixing, ids):
    partners, real = mixing.draw(0, ids).partners.numpy(), np.flatnonzero(ids >= 0)
    assert sorted(partners) == list(range(len(ids)))
    assert sorted(partners[real]) == real.tolist()
    assert (partners[ids < 0] == np.flatnonzero(ids < 0)).all()
    assert len(real) == 1 or (partners[real] != real).all()


@quick
@given(mixings(), padded_ids(), st.integers(0, 99))
def test_what_is_drawn_for_a_sample_does_not_depend_on_what_stands_beside_it(mixing, ids, epoch):
    mix, beside = mixing.draw(epoch, ids), mixing.draw(epoch, np.append(ids[:1], 10**9 + 1))
    if (ids >= 0).sum() > 1:
        assert all(torch.equal(here[0], there[0]) for here, there in zip(mix[1:], beside[1:], strict=True))


def test_epochs_and_seeds_draw_anew():
    ids = np.arange(50)
    drawn = {tuple(Mixing(BOTH, seed, SIZE).draw(epoch, ids).shares.tolist()) for seed in (0, 1) for epoch in (0, 1)}
    assert len(drawn) == 4


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])  # far below, many round to 1
def test_shares_of_mixup_are_beta_s_larger_parts(alpha):
    shares = always(Mixup, alpha).draw(0, np.arange(4000)).shares.double().numpy()
    folded = stats.beta(alpha, alpha)
    assert stats.kstest(shares, lambda x: folded.cdf(x) - folded.cdf(1 - x)).pvalue > 1e-3


def test_boxes_of_cutmix_have_uniform_centres_and_the_papers_sides_where_no_edge_cuts_them():
    mix = always(CutMix, size=(200, 200)).draw(0, np.arange(20_000))
    top, left, bottom, right = mix.boxes.numpy().T
    whole = (top > 0) & (left > 0) & (bottom < 200) & (right < 200)
    assert (bottom - top == right - left)[whole].all()
    assert whole.mean() == pytest.approx(1 / 6, abs=0.01)  # the integral of (1 - side)^2 over a uniform side^2
    assert np.corrcoef(top + bottom, left + right)[0, 1] == pytest.approx(0, abs=0.03)


def test_each_method_comes_as_often_as_its_probability_says():
    mix = Mixing(BOTH, 0, (100, 100)).draw(0, np.arange(20_000))
    blended = (mix.inside == mix.outside) & (mix.inside < 1)
    pasted = mix.inside != mix.outside
    assert float(blended.float().mean()) == pytest.approx(0.4, abs=0.02)
    assert float(pasted.float().mean()) == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cutmix_takes_each_pixel_from_one_of_the_two_to_the_bit(dtype):
    images = torch.randn(8, 3, *SIZE).to(dtype=dtype, memory_format=torch.channels_last)
    mix = always(CutMix).draw(3, np.array([5, 6, 7, 8, 9, 10, -1, -1]))
    found = mixed(images, mix)
    assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
    own = (found == images).all(1)
    assert (own | (found == images[mix.partners]).all(1)).all()
    torch.testing.assert_close(own.float().mean((1, 2)), mix.shares)
    assert (mix.shares[:6] < 1).any() and torch.equal(found[6:], images[6:])


def test_mixup_is_rounded_once_and_to_the_share_of_the_labels():
    images = torch.randn(8, 3, *SIZE).bfloat16()
    mix = always(Mixup).draw(0, np.arange(8))
    exact = torch.lerp(images[mix.partners].double(), images.double(), mix.shares.double().view(-1, 1, 1, 1))
    torch.testing.assert_close(mixed(images, mix).double(), exact, rtol=2**-8, atol=1e-6)


def test_mixing_before_and_after_normalisation_is_the_same():
    pictures, mix = torch.rand(8, 3, *SIZE), Mixing(BOTH, 0, SIZE).draw(0, np.arange(8))
    torch.testing.assert_close(mixed((pictures - 0.4) / 0.2, mix), (mixed(pictures, mix) - 0.4) / 0.2)


def test_without_a_mix_pictures_are_the_same_object():
    images = torch.rand(2, 3, 4, 4)
    assert mixed(images, None) is images


def test_two_samples_lose_what_was_computed_by_hand():
    """Shares 0.75 and 1; the first sample's second number is unlabelled, and the second's first."""

    class Given(nn.Module):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"mse": images}

    target, mask = torch.tensor([[1.0, 9.0], [9.0, 4.0]]), torch.tensor([[True, False], [False, True]])
    whole = torch.ones(2)
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]), whole, whole, torch.zeros(2, 4, dtype=torch.int64))
    objective = Objective(Given(), {"mse": tasks_of()["mse"]}, LOSSES, FixedWeights(Fixed(name="fixed"), 1, 1, 0))
    # First: 0.75 (3-1)^2 + 0.25 (1-4)^2 = 5.25. Second: (6-4)^2 = 4. Weights 0.75 + 0.25 + 1.
    counts = torch.tensor([2.0])
    output = objective(torch.tensor([[3.0, 1.0], [5.0, 6.0]]), {"mse": target}, {"mse": mask}, counts, mix)
    assert float(output.losses[0]) == pytest.approx(9.25 / 2)


@quick
@given(seeds, st.floats(0, 1), st.sampled_from([1, 2, 3, 4, 6, 12]), st.integers(0, 3))
def test_micro_batches_of_any_size_add_up_to_the_mean_over_what_labels_weigh(seed, labelled, num_parts, num_padded):
    batch, mixing, size = Batch(seed, labelled), Mixing(BOTH, seed, SIZE), NUM // num_parts
    ids = np.where(np.arange(NUM) < NUM - num_padded, np.arange(NUM), -1)
    for mask in batch.masks.values():
        mask[ids < 0] = False
    mixes = [mixing.draw(2, part) for part in ids.reshape(num_parts, size)]
    weights = torch.from_numpy(mixing.label_weights(2, ids.reshape(num_parts, size)).ravel())
    per_row = [mask.reshape(NUM, -1).sum(1) for mask in batch.masks.values()]
    counts = torch.stack([(weights * number).sum() for number in per_row])
    counts = torch.where(counts == 0, 1.0, counts)
    objective = Objective(Model(seed), tasks_of(), LOSSES, FixedWeights(Fixed(name="fixed"), 1, 1, 0))
    found = torch.zeros(len(LOSSES), dtype=torch.float64)
    sums = {name: [0.0, 0.0] for name in LOSSES}
    for number, mix in enumerate(mixes):
        images, targets, masks, _ = batch.part(slice(number * size, (number + 1) * size))
        found += objective(images, targets, masks, counts, mix).losses
        logits = objective.model(images)
        for name in LOSSES:
            for row in range(size):
                sides = (row, float(mix.shares[row])), (int(mix.partners[row]), 1 - float(mix.shares[row]))
                for label, share in sides:
                    losses = LOSSES[name](logits[name][row : row + 1], targets[name][label : label + 1])
                    kept = losses[masks[name][label : label + 1]].detach()
                    sums[name][0] += share * float(kept.sum())
                    sums[name][1] += share * kept.numel()
    expected = [total / weight if weight else 0.0 for total, weight in sums.values()]
    assert found.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert OUTPUTS.keys() == sums.keys()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> MicroBatches:
    folder: Path = tmp_path_factory.mktemp("mixing")
    return MicroBatches(pixels_of(split_of(ROWS), folder), targets_of(ROWS), None, Mixing(BOTH, 0, (6, 5)))


def steps_of(data: MicroBatches, rank: int, processes: int, num_workers: int = 0) -> list:
    order = TrainingOrder(ROWS, 8, 4, 0)
    return list(TrainingLoader(data, order, rank, processes, num_workers, torch.device("cpu")).steps(2))


def test_every_process_knows_what_the_labels_of_all_weigh(data):
    one, two = steps_of(data, 0, 1), [steps_of(data, rank, 2) for rank in (0, 1)]
    for whole, *parts in zip(one, *two, strict=True):
        assert all(counts == whole[2] for _, _, counts in parts)
        batches = [batch for _, dealt, _ in parts for batch in dealt]
        for batch, other in zip(batches, whole[1], strict=True):
            assert all(torch.equal(*pair) for pair in zip(batch.mix, other.mix, strict=True))
        for name, weight in whole[2].items():
            found = 0.0
            for batch in batches:
                mask, shares = batch.masks[name].double().reshape(len(batch.ids), -1).sum(1), batch.mix.shares.double()
                found += float(shares @ mask + (1 - shares) @ mask[batch.mix.partners])
            assert weight == pytest.approx(found, rel=1e-12)
    assert (batches[-1].ids < 0).any()


def test_a_batch_keeps_its_mix_wherever_it_goes(data):
    (_, (batch, *_), _) = steps_of(data, 0, 1)[0]
    assert batch.mix is not None
    moved = batch.to(torch.device("meta"))
    assert {tensor.device.type for tensor in moved.tensors()} == {"meta"}
    assert len(moved.tensors()) == 2 + 2 * len(batch.targets) + len(Mix._fields)
