"""Losses of single elements: published values, torch's values, and gradients wherever logits may go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from loss_cases import (
    ALL,
    CLASS_WEIGHTS,
    DEFAULTS,
    KINDS,
    NUM_CLASSES,
    OUTPUTS,
    POS_WEIGHT,
    proportional_odds,
    published_asymmetric,
    published_corn,
    target_of,
    title,
)
from sklearn.utils.class_weight import compute_class_weight
from torchvision.ops import sigmoid_focal_loss

from mtl_accel.config.sections.losses import (
    BCE,
    Asymmetric,
    Corn,
    CrossEntropy,
    CumulativeLink,
    Focal,
    Huber,
    Loss,
    SigmoidFocal,
)
from mtl_accel.config.sections.tasks import MulticlassConfig, MultilabelConfig
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.reader import Targets
from mtl_accel.objective.losses import LOSSES, resolve_balanced
from mtl_accel.objective.losses.balanced import class_weights, pos_weight
from mtl_accel.objective.objective import masked_sum

NUM = 7
ALL_WEIGHTED = [s for s in ALL if s.model_dump().get("class_weights") or s.model_dump().get("pos_weight")]
walk = pytest.mark.parametrize("section", ALL, ids=title)


def loss_of(section: Loss):
    return LOSSES[section.name](section)


def case(section: Loss, scale: float = 2.0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits and targets."""
    numbers = torch.Generator().manual_seed(5)
    target = target_of(section.name, numbers, NUM)
    logits = torch.randn(NUM, OUTPUTS[section.name], generator=numbers, dtype=torch.float64) * scale
    return logits.to(dtype), target.to(dtype) if target.is_floating_point() else target


def test_every_loss_of_the_config_is_in_the_registry_under_its_name():
    assert LOSSES.keys() == KINDS.keys() == DEFAULTS.keys()


@pytest.mark.parametrize(
    ("gamma_neg", "gamma_pos", "clip", "expected"),
    [(0.0, 0.0, 0.0, 2.925052), (4.0, 1.0, 0.05, 0.523836), (4.0, 0.0, 0.05, 1.184546)],
)
def test_the_asymmetric_loss_has_the_values_of_the_published_code(gamma_neg, gamma_pos, clip, expected):
    logits, target = torch.tensor([[2, -1, 0.5], [-0.3, 0, 1.2]]), torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    section = Asymmetric(name="asymmetric", gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip)
    assert float(loss_of(section)(logits, target).sum()) == pytest.approx(expected, abs=2e-6)


@walk
def test_a_loss_is_torch_s_own_or_the_formula_of_its_paper(section):
    logits, target = case(section)
    found = loss_of(section)(logits, target)
    weight = torch.tensor(getattr(section, "class_weights", None) or [1.0] * 5, dtype=torch.float64)
    match section:
        case CrossEntropy():
            expected = F.cross_entropy(
                logits, target, weight=weight, label_smoothing=section.label_smoothing, reduction="none"
            )
        case Focal():
            p = logits.softmax(1)[torch.arange(NUM), target]
            expected = -weight[target] * (1 - p) ** section.gamma * p.log()
        case CumulativeLink():
            expected = -weight[target] * proportional_odds(logits)[torch.arange(NUM), target].log()
        case Corn():
            expected = weight[target] * published_corn(logits, target)
        case BCE():
            weight = torch.tensor(section.pos_weight or [1.0] * 3, dtype=torch.float64)
            expected = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
        case SigmoidFocal():
            expected = sigmoid_focal_loss(logits, target, -1 if section.alpha is None else section.alpha, section.gamma)
        case Asymmetric():
            expected = published_asymmetric(logits, target, section.gamma_neg, section.gamma_pos, section.clip)
        case Huber():
            expected = F.huber_loss(logits, target, reduction="none", delta=section.delta)
        case _:
            expected = F.mse_loss(logits, target, reduction="none")
    torch.testing.assert_close(found, expected)
    assert found.shape == target.shape and (found >= 0).all()


@pytest.mark.parametrize(
    ("section", "plain"),
    [
        (Focal(name="focal", gamma=0.0), "cross_entropy"),
        (Focal(name="focal", gamma=0.0, class_weights=(1.0,) * 5), "cross_entropy"),
        (SigmoidFocal(name="sigmoid_focal", alpha=None, gamma=0.0), "bce"),
        (Asymmetric(name="asymmetric", gamma_neg=0.0, gamma_pos=0.0, clip=0.0), "bce"),
    ],
)
def test_with_gamma_0_a_focal_loss_is_the_plain_one(section, plain):
    logits, target = case(section)
    torch.testing.assert_close(loss_of(section)(logits, target), loss_of(DEFAULTS[plain])(logits, target))


@walk
def test_loss_and_gradient_are_finite_wherever_the_logits_are(section):
    extremes = torch.tensor([-80.0, -17.0, 0.0, 17.0, 80.0])
    logits = torch.cartesian_prod(*[extremes] * OUTPUTS[section.name]).requires_grad_()
    num_classes = NUM_CLASSES.get(KINDS[section.name])
    for value in range(num_classes) if num_classes else (0.0, 1.0):
        target = torch.full((len(logits),), value) if num_classes else torch.full_like(logits, value)
        elements = loss_of(section)(logits, target)
        (gradient,) = torch.autograd.grad(elements.sum(), logits)
        assert elements.dtype == torch.float32 and elements.isfinite().all() and gradient.isfinite().all()


@walk
def test_gradients_are_those_of_the_loss_in_float64(section):
    logits, target = case(section)
    loss = loss_of(section)
    assert loss(logits, target).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits.requires_grad_())


@walk
def test_what_is_masked_gives_no_gradient_at_any_finite_logit(section):
    logits, target = case(section)
    logits[0], logits[1] = 1e4, -1e4
    logits.requires_grad_()
    mask = torch.ones(target.shape, dtype=torch.bool)
    mask[:2] = False
    masked_sum(loss_of(section), logits, target, mask).backward()
    assert (logits.grad[:2] == 0).all() and logits.grad.isfinite().all() and (logits.grad[2:] != 0).any()


@walk
def test_one_loss_serves_training_in_float32_and_scoring_in_float64(section):
    loss = loss_of(section)
    single, double = (loss(*case(section, dtype=dtype)) for dtype in (torch.float32, torch.float64))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


@walk
def test_weights_stand_on_the_device_of_the_logits(section):
    # An operation with a tensor on the CPU and one on this device is an error, as it is on a GPU.
    logits, target = (part.to("meta") for part in case(section))
    assert loss_of(section)(logits, target).device.type == "meta"


@pytest.mark.parametrize("section", [ALL_WEIGHTED[0], ALL_WEIGHTED[-1]], ids=title)
def test_weights_are_part_of_one_compiled_graph(section):
    logits, target = case(section, dtype=torch.float32)
    loss = loss_of(section)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(logits, target), loss(logits, target))


@pytest.mark.parametrize("section", [s for s in ALL if s.model_dump().get("class_weights")], ids=title)
def test_class_weights_do_not_change_what_a_sum_is_divided_by(section):
    # Torch divides by the sum of the weights; a class of weight 0 counts as labelled here.
    logits, target = case(section)
    plain = loss_of(section.model_copy(update={"class_weights": None, "label_smoothing": 0.0}))(logits, target)
    found = loss_of(section.model_copy(update={"label_smoothing": 0.0}))(logits, target)
    torch.testing.assert_close(found, plain * torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)[target])


@given(arrays.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 4)))
@settings(max_examples=50)
def test_balanced_class_weights_are_scikit_learn_s_and_1_on_average(target):
    labelled = np.ones(len(target), bool)
    found = class_weights(target, labelled, 5)
    present = np.unique(target)
    assert found[present] == pytest.approx(compute_class_weight("balanced", classes=present, y=target))
    assert (np.delete(found, present) == 0).all()
    assert found[target].mean() == pytest.approx(1)


def test_balanced_weights_are_of_labelled_elements_alone():
    target, mask = np.array([0, 1, 1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0, 0, 0], bool)
    assert class_weights(target, mask, 2) == pytest.approx([2, 2 / 3])
    target, mask = np.array([[1.0], [0], [0], [0], [1]]), np.array([[1], [1], [1], [1], [0]], bool)
    assert pos_weight(target, mask, 10) == pytest.approx([3])


def test_balanced_pos_weight_is_negatives_by_positives_within_its_bounds():
    columns = {"1 of 4": [1, 0, 0, 0], "3 of 4": [1, 1, 1, 0], "none": [0] * 4, "all": [1] * 4, "unlabelled": [0] * 4}
    target = np.array(list(columns.values()), np.float32).T
    mask = np.array([name != "unlabelled" for name in columns] * 4).reshape(target.shape)
    assert pos_weight(target, mask, 10) == pytest.approx([3, 1 / 3, 10, 0.1, 1])
    assert pos_weight(target, mask, 2) == pytest.approx([2, 0.5, 2, 0.5, 1])


LETTERS = ("a", "b", "c")
TASKS = {
    "category": Task("category", "multiclass", ("category",), LETTERS, "accuracy"),
    "attribute": Task("attribute", "multilabel", LETTERS, LETTERS, "f1_macro"),
}
TARGETS = {
    "category": Targets(np.array([0, 0, 1, 2]), np.ones(4, bool)),
    "attribute": Targets(np.eye(4, 3, dtype=np.float32), np.ones((4, 3), bool)),
}


def test_balanced_becomes_numbers_that_json_holds_to_the_last_digit():
    configs = {
        "category": MulticlassConfig(
            kind="multiclass", column="category", loss=Focal(name="focal", class_weights="balanced")
        ),
        "attribute": MultilabelConfig(kind="multilabel", loss=BCE(name="bce", pos_weight="balanced")),
    }
    found = resolve_balanced(configs, TASKS, TARGETS)
    assert found["category"].class_weights == (4 / 6, 4 / 3, 4 / 3) and found["attribute"].pos_weight == (3.0,) * 3
    again = {name: type(section).model_validate_json(section.model_dump_json()) for name, section in found.items()}
    assert again == found


def test_lists_of_another_length_are_told_at_once_with_the_classes_in_order():
    configs = {
        "category": MulticlassConfig(
            kind="multiclass", column="category", loss=CrossEntropy(name="cross_entropy", class_weights=CLASS_WEIGHTS)
        ),
        "attribute": MultilabelConfig(kind="multilabel", loss=BCE(name="bce", pos_weight=POS_WEIGHT[:2])),
    }
    with pytest.raises(UserError) as caught:
        resolve_balanced(configs, TASKS, TARGETS)
    first, second = caught.value.problems
    assert "tasks.category.loss.class_weights" in first and "5 numbers" in first and "a, b, c" in first
    assert "tasks.attribute.loss.pos_weight" in second and "2 numbers" in second
