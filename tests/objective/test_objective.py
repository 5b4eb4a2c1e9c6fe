"""Losses have the step's denominators: the shares of any micro-batches add up to the loss of the whole batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import MEANS, OUTPUTS, target_of
from objective_cases import LOSSES, NUM, Batch, Model, generator, tasks_of
from pydantic import TypeAdapter
from sklearn import metrics as sk

from mtl_accel.config.sections.balancing import Balancing
from mtl_accel.data.labels.reader import Targets
from mtl_accel.inference.logits import split_logits
from mtl_accel.inference.scoring import score
from mtl_accel.objective import balancing
from mtl_accel.objective.balancing import BALANCERS
from mtl_accel.objective.objective import Objective, masked_sum

seeds = st.integers(0, 2**31 - 1)
many = settings(max_examples=40)


def objective_of(
    balancer: str, seed: int, num_micro_batches: int, weights: dict[str, float] | None = None
) -> Objective:
    config = TypeAdapter(Balancing).validate_python({"name": balancer})
    made = balancing.build_balancer(config, len(LOSSES), num_micro_batches, seed=0)
    made.begin_step(0, 0)
    return Objective(Model(seed), tasks_of(weights), LOSSES, made).double()


def run(batch: Batch, cuts: list[int], balancer: str, seed: int = 0) -> tuple[float, torch.Tensor, list, torch.Tensor]:
    """Total, losses, gradients and logits of a batch that is cut at some rows."""
    objective = objective_of(balancer, seed, len(cuts) + 1, {"bce": 2.0})
    total, losses, logits = 0.0, torch.zeros(len(LOSSES), dtype=torch.float64), []
    for start, end in zip([0, *cuts], [*cuts, NUM], strict=True):
        output = objective(*batch.part(slice(start, end)))
        output.total.backward()
        total, losses = total + float(output.total.detach()), losses + output.losses
        logits.append(output.logits)
        assert not output.losses.requires_grad and not output.logits.requires_grad
    return total, losses, [parameter.grad for parameter in objective.parameters()], torch.cat(logits)


def test_every_loss_has_its_reference_here():
    assert LOSSES.keys() == MEANS.keys()


@pytest.mark.parametrize("loss", LOSSES)
@many
@given(seed=seeds)
def test_a_loss_over_all_elements_is_torch_s_mean(loss, seed):
    numbers = generator(seed)
    target = target_of(loss, numbers, NUM)
    logits = torch.randn(NUM, OUTPUTS[loss], generator=numbers, dtype=torch.float64)
    elements = LOSSES[loss](logits, target)
    assert elements.shape == target.shape
    everything = torch.ones(target.shape, dtype=torch.bool)
    mean = masked_sum(LOSSES[loss], logits, target, everything) / target.numel()
    torch.testing.assert_close(mean, MEANS[loss](logits, target))


@pytest.mark.parametrize("balancer", BALANCERS)
@many
@given(seed=seeds, labelled=st.floats(0.05, 1))
def test_with_masks_a_loss_is_the_mean_over_what_is_labelled(balancer, seed, labelled):
    batch = Batch(seed, labelled)
    _, losses, _, logits = run(batch, [], balancer)
    for name, loss in zip(LOSSES, losses, strict=True):
        part, mask = split_logits(logits.double(), tasks_of())[name], batch.masks[name]
        kept = (part[mask], batch.targets[name][mask])
        expected = MEANS[name](*kept) if mask.any() else torch.tensor(0.0)
        torch.testing.assert_close(loss, expected.double(), rtol=1e-5, atol=1e-5)  # logits are kept in float32


@pytest.mark.parametrize("balancer", BALANCERS)
@many
@given(seed=seeds, labelled=st.floats(0, 1), cuts=st.sets(st.integers(1, NUM - 1)).map(sorted))
def test_shares_of_any_cut_add_up_to_loss_and_gradient_of_the_whole_batch(balancer, seed, labelled, cuts):
    batch = Batch(seed, labelled)
    whole, parts = run(batch, [], balancer), run(batch, cuts, balancer)
    assert parts[0] == pytest.approx(whole[0], rel=1e-12, abs=1e-12)
    torch.testing.assert_close(parts[1], whole[1])
    torch.testing.assert_close(parts[2], whole[2], rtol=1e-10, atol=1e-12)
    assert torch.equal(parts[3], whole[3])


@pytest.mark.parametrize("balancer", BALANCERS)
@pytest.mark.parametrize("unlabelled", LOSSES)
def test_a_task_without_a_label_has_loss_0_and_gradients_of_0(balancer, unlabelled):
    batch = Batch(3)
    batch.masks[unlabelled][:] = False
    index = list(LOSSES).index(unlabelled)
    batch.counts[index] = 0
    objective = objective_of(balancer, 0, 1)
    output = objective(*batch.part(slice(None)))
    output.total.backward()
    assert float(output.losses[index]) == 0
    for name, head in objective.model.heads.items():
        for parameter in head.parameters():
            assert parameter.grad is not None and bool((parameter.grad == 0).all()) == (name == unlabelled)
    for learned in objective.balancer.parameters():
        assert (learned.grad == 0).tolist() == [task == index for task in range(len(LOSSES))]


def test_uncertainty_learns_nothing_of_a_task_of_weight_0():
    objective = objective_of("uncertainty", 0, 1)
    objective.weights[0] = 0
    objective(*Batch(3).part(slice(None))).total.backward()
    assert (objective.balancer.log_variances.grad == 0).tolist() == [task == 0 for task in range(len(LOSSES))]


def test_what_is_masked_has_no_part_in_a_loss_whatever_stands_there():
    logits = torch.tensor([[1.0, 2.0], [float("inf"), 1.0]], requires_grad=True)
    mask = torch.tensor([[True, True], [False, True]])
    total = masked_sum(LOSSES["mse"], logits, torch.zeros(2, 2), mask)
    assert float(total.detach()) == 6


def test_half_precision_logits_are_summed_in_float32():
    logits = torch.full((4096, 1), 1.0, dtype=torch.bfloat16)
    total = masked_sum(LOSSES["mse"], logits, torch.zeros(4096, 1), torch.ones(4096, 1, dtype=torch.bool))
    assert total.dtype == torch.float32 and float(total) == 4096


@settings(max_examples=15)
@given(seed=seeds, labelled=st.floats(0.3, 1))
def test_scores_are_those_of_scikit_learn_and_torch_on_what_is_labelled(seed, labelled):
    batch, tasks = Batch(seed, labelled), tasks_of({"bce": 2.0, "mse": 0.5})
    logits = {name: torch.randn(NUM, OUTPUTS[name], generator=generator(seed), dtype=torch.float64) for name in LOSSES}
    targets = {name: Targets(batch.targets[name].numpy(), batch.masks[name].numpy()) for name in LOSSES}
    found = score(torch.cat(list(logits.values()), dim=1), tasks, LOSSES, targets)
    total = 0.0
    for name, task in tasks.items():
        mask = batch.masks[name]
        loss = float(MEANS[name](logits[name][mask], batch.targets[name][mask])) if mask.any() else 0.0
        assert found[f"{name}/loss"] == pytest.approx(loss)
        total += task.weight * loss
    assert found["loss"] == pytest.approx(total)
    mask, target = targets["cross_entropy"].mask, targets["cross_entropy"].target
    if mask.any():
        guess = logits["cross_entropy"].argmax(1).numpy()
        assert found["cross_entropy/accuracy"] == pytest.approx(sk.accuracy_score(target[mask], guess[mask]))
    mask, target, guess = targets["bce"].mask, targets["bce"].target, logits["bce"].numpy() > 0
    if mask.any(axis=0).all():
        columns = range(OUTPUTS["bce"])
        f1 = [sk.f1_score(target[mask[:, c], c], guess[mask[:, c], c], zero_division=0.0) for c in columns]
        assert found["bce/f1_macro"] == pytest.approx(np.mean(f1))


def test_scores_of_a_split_without_labels_are_nan_and_add_no_loss():
    tasks = tasks_of()
    targets = {n: Targets(t.numpy(), np.zeros(t.shape, bool)) for n, t in Batch(0).targets.items()}
    found = score(torch.zeros(NUM, sum(OUTPUTS.values())), tasks, LOSSES, targets)
    assert found["loss"] == 0 and all(math.isnan(found[task.metric]) for task in tasks.values())
