"""The names that heads may have, and what the head of queries does with a feature map."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mtl_accel.config.sections.model import Architecture
from mtl_accel.core.tasks import Task, ordinal_probabilities
from mtl_accel.models import build_model
from mtl_accel.models.heads import Heads, QueryHead, SharedThresholds, linear


def assert_heads_work(tasks: list[str]) -> None:
    heads = Heads({task: linear(2, 1 + i) for i, task in enumerate(tasks)})
    features = torch.randn(3, 2)
    logits = heads(features)
    assert list(heads) == list(heads.keys()) == list(logits) == tasks
    for i, task in enumerate(tasks):
        assert task in heads
        assert logits[task].shape == (3, 1 + i)
        assert torch.equal(heads[task](features), logits[task])
    # By their path, as torch.func, export and offloading find parameters.
    for path, module in heads.named_modules():
        assert heads.get_submodule(path) is module
    copied = copy.deepcopy(heads)
    copied.load_state_dict(heads.state_dict())
    assert list(copied) == tasks


@settings(max_examples=30)
@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True), unique=True, min_size=1, max_size=4))
def test_any_task_name_names_a_head(tasks: list[str]) -> None:
    assert_heads_work(tasks)


def test_a_task_may_have_the_name_of_a_modules_attribute() -> None:
    assert_heads_work(dir(nn.ModuleDict()))


def test_heads_leave_as_a_dicts_entries_do() -> None:
    heads = Heads({"type": linear(2, 1), "keys": linear(2, 1)})
    first = heads["type"]
    assert heads.pop("type") is first
    del heads["keys"]
    assert len(heads) == 0 and "keys" not in heads and list(heads.parameters()) == []


def test_queries_ask_where_and_not_in_which_order() -> None:
    torch.manual_seed(0)
    head, feature_map = QueryHead(4, 3, width=16, num_heads=2).eval(), torch.randn(2, 4, 3, 5)
    logits = head(feature_map)
    shuffled = feature_map.flatten(2)[:, :, torch.randperm(15)].reshape(2, 4, 3, 5)
    assert logits.shape == (2, 3)
    torch.testing.assert_close(head(shuffled), logits)
    assert not torch.allclose(head(feature_map.mean(dim=(2, 3), keepdim=True)), logits, atol=1e-3)


def test_one_query_asks_for_one_output_alone() -> None:
    torch.manual_seed(0)
    head, feature_map = QueryHead(4, 3, width=16, num_heads=2).eval(), torch.randn(2, 4, 3, 5)
    logits = head(feature_map)
    with torch.no_grad():
        head.queries[1] += 1
    changed = (head(feature_map) != logits).any(dim=0)
    assert changed.tolist() == [False, True, False]


@pytest.mark.parametrize("num_outputs", [1, 2, 5])
def test_thresholds_are_shared_by_all_images_and_begin_with_classes_that_are_as_likely(num_outputs: int) -> None:
    head = SharedThresholds(linear(4, 1), num_outputs)
    with torch.no_grad():
        outputs = head(torch.randn(6, 4))
        assert outputs.shape == (6, num_outputs)
        assert (outputs[:, 1:] == outputs[0, 1:]).all()
        assert len(set(outputs[:, 0].tolist())) == 6
        at_0 = ordinal_probabilities(head.bias[None].numpy(), "cumulative")
    assert at_0 == pytest.approx(np.full((1, num_outputs + 1), 1 / (num_outputs + 1)), rel=1e-5)


def test_each_task_gets_the_head_that_it_needs() -> None:
    tasks = {
        "size": Task("size", "ordinal", ("size",), tuple("SML"), "quadratic_kappa", link="cumulative"),
        "grade": Task("grade", "ordinal", ("grade",), tuple("SML"), "quadratic_kappa", link="conditional"),
        "category": Task("category", "multiclass", ("category",), tuple("SML"), "accuracy"),
    }
    model = build_model(Architecture(name="resnet18_query"), tasks, None)
    assert list(model.heads) == list(tasks)
    assert [isinstance(head, SharedThresholds) for _, head in model.heads.items()] == [True, False, False]
    with torch.no_grad():
        logits = model.eval()(torch.randn(2, 3, 64, 64))
    assert {name: values.shape[1] for name, values in logits.items()} == {"size": 2, "grade": 2, "category": 3}
