"""The gradient of a training step, by a plain loop in float64 that knows nothing of mtl_accel.

It takes what `recorded_steps` left behind: the rows and ids of every micro-batch of a step and the state before it.
Pictures and labels are read anew, from the files.
"""

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import torchjd.aggregation as torchjd
from PIL import Image
from torch import Tensor, nn

TASKS = ("category", "attribute")
WEIGHTS = (1.5, 0.75)  # of the tasks in the config; float32 has both exactly
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Weightings of a Gramian. NashMTL alone asks for the gradients themselves.
WEIGHTINGS: dict[str, Callable[[], Any]] = {
    "upgrad": torchjd.UPGradWeighting,
    "pcgrad": torchjd.PCGradWeighting,  # draws an order, of which two tasks have but one
    "mgda": torchjd.MGDAWeighting,
    "cagrad": lambda: torchjd.CAGradWeighting(c=0.5),
    "imtl_g": torchjd.IMTLGWeighting,
    "aligned_mtl": torchjd.AlignedMTLWeighting,
    "nash_mtl": lambda: torchjd.NashMTL(n_tasks=len(TASKS)),
}
ON_GRADIENTS = {*WEIGHTINGS, "gradnorm"}
KNOWN = ON_GRADIENTS | {"fixed", "uncertainty", "dwa", "random"}


class Samples(NamedTuple):
    """images [N, 3, H, W]; of each task targets [N] or [N, C], and which of them are known."""

    images: Tensor
    targets: dict[str, Tensor]
    known: dict[str, Tensor]


class TaskSums(NamedTuple):
    """Of each task, over a step: its weighted loss; its gradients by parameter; its gradient at the features, flat."""

    losses: Tensor
    gradients: list[dict[str, Tensor]]
    features: list[Tensor]


class Step(NamedTuple):
    """What is compared with the step of a run: gradients by name, and the tasks' weights; None where they are drawn or
    follow from earlier steps, so that the run has to tell them."""

    gradients: dict[str, Tensor]
    weights: Tensor | None


def read(folder: Path, split: str) -> Samples:
    with (folder / f"{split}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = [name for name in rows[0] if name not in ("filename", "category")]
    classes = sorted({row["category"] for row in rows} - {""})
    pictures = [np.asarray(Image.open(folder / split / row["filename"]).convert("RGB")) for row in rows]
    images = torch.from_numpy(np.stack(pictures)).double().permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(numbers, dtype=torch.float64).view(3, 1, 1) for numbers in (MEAN, STD))
    category = torch.tensor([classes.index(row["category"]) if row["category"] else -1 for row in rows])
    attribute = torch.tensor([[float(row[label] or "nan") for label in labels] for row in rows], dtype=torch.float64)
    known = {"category": category >= 0, "attribute": ~attribute.isnan()}
    targets = {"category": category.clamp_min(0), "attribute": attribute.nan_to_num(0)}
    return Samples((images - mean) / std, targets, known)


class Network(nn.Module):
    """The architecture of the pairs in `recorded_steps`, with the same names."""

    def __init__(self, normed: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for num_in, num_out in ((3, 8), (8, 16)):
            layers.append(nn.Conv2d(num_in, num_out, 3, stride=2, bias=not normed))
            layers += [nn.BatchNorm2d(num_out), nn.SiLU()] if normed else [nn.SiLU()]
        self.backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = nn.ModuleDict({f"task_{task}": nn.Linear(16, 3) for task in TASKS})


def step_of(samples: Samples, config: dict[str, Any], recorded: dict[str, Any], before: dict[str, Tensor]) -> Step:
    """The gradients that the optimizer must get.

    Args:
        config: keys of the run's config.
        recorded: epoch, step, and rows and ids of all micro-batches of the step; and the run's own weights of the
            tasks, which are taken where `balancing` weighs gradients, draws its weights or remembers them.
        before: the state before the step, "model.*" and "balancer.*".
    """
    name = config["balancing"]["name"]
    assert name in KNOWN, f"plain_loop.py does not know the balancing {name!r}: write down there what it has to do"
    network = Network(normed="normed" in config["model"]["name"]).double()
    network.load_state_dict({key[6:]: value for key, value in before.items() if key.startswith("model.")})
    frozen = recorded["epoch"] < config["model"].get("freeze_backbone_epochs", 0)
    if frozen:
        network.backbone.eval().requires_grad_(False)
    sums, present = task_sums(network, samples, recorded["rows"], recorded["ids"])
    if name in ON_GRADIENTS:
        weights = torch.ones(len(TASKS)) if frozen else gradient_weights(config["balancing"], sums, present, recorded)
        total = combined(sums, recorded["weights"], [1.0] * len(TASKS))
    else:
        weights = loss_weights(name, before)
        used = recorded["weights"] if weights is None else weights.tolist()
        total = combined(sums, used, used)
    if name == "uncertainty":
        variances = before["balancer.log_variances"].double()
        total["balancer.log_variances"] = (present.double() - torch.exp(-variances) * sums.losses) / 2
    return Step(clipped(total, config.get("gradient_clip_norm")), weights)


def task_sums(
    network: Network, samples: Samples, rows: list[list[int]], ids: list[list[int]]
) -> tuple[TaskSums, Tensor]:
    """Sums over micro-batches [M, B]; and of each task whether it has a label in the step, bool [T]."""
    named = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    real = [i for part in ids for i in part if i >= 0]
    counts = [int(samples.known[task][real].sum()) for task in TASKS]
    losses, features = torch.zeros(len(TASKS), dtype=torch.float64), [[] for _ in TASKS]
    gradients = [{name: torch.zeros_like(parameter) for name, parameter in named.items()} for _ in TASKS]
    for part, numbers in zip(rows, ids, strict=True):
        pooled = network.backbone(samples.images[part])
        pooled = pooled if pooled.requires_grad else pooled.requires_grad_()  # a leaf, behind a frozen backbone
        for index, task in enumerate(TASKS):
            logits = network.heads[f"task_{task}"](pooled)
            loss = WEIGHTS[index] * labelled_sum(samples, task, logits, part, numbers) / max(counts[index], 1)
            found = torch.autograd.grad(
                loss, [pooled, *named.values()], retain_graph=True, allow_unused=True, materialize_grads=True
            )
            losses[index] += loss.detach()
            features[index].append(found[0].flatten())
            for name, gradient in zip(named, found[1:], strict=True):
                gradients[index][name] += gradient
    return TaskSums(losses, gradients, [torch.cat(parts) for parts in features]), torch.tensor(counts) > 0


def labelled_sum(samples: Samples, task: str, logits: Tensor, rows: list[int], ids: list[int]) -> Tensor:
    """The sum of a task's loss over the elements with a label. Padding has passed the backbone, and has none."""
    target, known = samples.targets[task][rows], samples.known[task][rows]
    if task == "category":
        elements = F.cross_entropy(logits, target, reduction="none")
    else:
        elements = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    real = torch.tensor(ids) >= 0
    return elements[known & (real if known.ndim == 1 else real[:, None])].sum()


def combined(sums: TaskSums, of_backbone: list[float], of_heads: list[float]) -> dict[str, Tensor]:
    """The weighted sum of the tasks' gradients, under the names of the run."""
    total: dict[str, Tensor] = {}
    for gradients, *weights in zip(sums.gradients, of_backbone, of_heads, strict=True):
        for name, gradient in gradients.items():
            weight = weights[name.startswith("heads.")]
            total[f"model.{name}"] = total.get(f"model.{name}", 0) + weight * gradient
    return total


def loss_weights(name: str, before: dict[str, Tensor]) -> Tensor | None:
    if name == "uncertainty":
        return torch.exp(-before["balancer.log_variances"].double()) / 2
    return None if name == "random" else torch.ones(len(TASKS))  # those of dwa are 1 for two epochs


def gradient_weights(
    balancing: dict[str, Any], sums: TaskSums, present: Tensor, recorded: dict[str, Any]
) -> Tensor | None:
    """The tasks' weights from their gradients of the backbone, or at the features."""
    name, weights = balancing["name"], torch.ones(len(TASKS), dtype=torch.float64)
    if name == "gradnorm":
        return weights if (recorded["epoch"], recorded["step"]) == (0, 0) else None
    if not present.all():  # nothing to balance
        return weights
    rows = sums.features
    if balancing["where"] == "shared":
        backbones = [{n: g for n, g in each.items() if n.startswith("backbone.")} for each in sums.gradients]
        rows = [torch.cat([gradient.flatten() for gradient in each.values()]) for each in backbones]
    jacobian = torch.stack(rows)
    weighting = WEIGHTINGS[name]()
    if name == "nash_mtl":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You are solving a parameterized problem that is not DPP")
            return weighting.weighting(jacobian)
    gramian = jacobian @ jacobian.T
    return weighting(gramian / gramian.diagonal().mean())  # small ones are 0 to some of the solvers


def clipped(gradients: dict[str, Tensor], limit: float | None) -> dict[str, Tensor]:
    """Scaled so that the norm of all of them together is no larger than the limit."""
    norm = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
    scale = 1.0 if limit is None else min(1.0, limit / (float(norm) + 1e-6))
    return {name: gradient * scale for name, gradient in gradients.items()}
