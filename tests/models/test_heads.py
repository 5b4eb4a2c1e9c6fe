"""The names that heads may have, and what the head of queries does with a feature map."""

from __future__ import annotations

import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mtl_accel.models.heads import Heads, QueryHead, linear


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


@settings(max_examples=30, deadline=None)
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
