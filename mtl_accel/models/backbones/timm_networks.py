"""Any network of timm without its ImageNet layer. Needs the extra `timm`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor, nn

from ...config.knobs import did_you_mean
from ...core.errors import UserError, import_extra
from ..weight_files import find_local_file, read_state_dict
from ..weights import backbone_part, load_state
from .record import Backbone

PREFIX = "timm/"  # of the names of its networks, where those of torchvision stand too
PRETRAINED, WEIGHTS = "pretrained", "model.safetensors"
_GRID = 3  # dimensions of an output of tokens [B, N, C]


def timm_backbone(name: str, img_size: tuple[int, int] | None = None) -> Backbone:
    """The record of a network by timm's name.

    Raises:
        UserError: timm is not installed, or has no such network.
    """
    return Backbone(
        partial(build_network, name, img_size=img_size),
        f"`{name}` of timm",
        only_size=img_size or only_size(name),
        takes_drop_path_rate=True,
    )


def full_name(backbone: str | None, pretrained_cfg: str | None) -> str | None:
    """The name of a network with the tag of its published weights, such as resnet18.a1_in1k.

    Raises:
        UserError: timm is not installed, or has no such tag.
    """
    if backbone is None or pretrained_cfg is None:
        return backbone
    (timm,) = import_extra("timm", "timm")
    if "." in backbone:
        raise UserError(
            f"model.pretrained_cfg: {backbone!r} names its weights already; set pretrained_cfg to null, or leave out "
            "what is behind the point"
        )
    if backbone not in timm.list_models():  # reported as a wrong backbone
        return backbone
    tags = [name.partition(".")[2] for name in timm.list_pretrained() if name.partition(".")[0] == backbone]
    if pretrained_cfg not in tags:
        hint = did_you_mean(pretrained_cfg, tags)
        known = f"it has {', '.join(tags)}" if tags else "it has none, so set it to null"
        raise UserError(
            f"model.pretrained_cfg: timm {timm.__version__} has no weights {pretrained_cfg!r} of {backbone}{hint}; "
            f"{known}"
        )
    return f"{backbone}.{pretrained_cfg}"


def only_size(name: str | None) -> tuple[int, int] | None:
    """[height, width] of the only pictures that a network takes; None: any.

    Raises:
        UserError: timm is not installed, or has no such network.
    """
    config = pretrained_config(name)
    return config.input_size[1:] if config.fixed_input_size else None


def pretrained_config(backbone: str | None) -> Any:
    """timm's configuration of a backbone: the size of its input, and where its weights are.

    Raises:
        UserError: timm is not installed, or has no such backbone.
    """
    (timm,) = import_extra("timm", "timm")
    if not backbone:
        raise UserError(
            "model.backbone: must name a backbone of timm with model.name 'timm_linear', such as 'resnet18.a1_in1k'; "
            "timm.list_models() lists them"
        )
    names = [*timm.list_models(), *timm.list_pretrained()]
    if backbone not in names:  # addresses such as hf-hub:owner/name too, which timm would follow
        hint = did_you_mean(backbone, names)
        raise UserError(
            f"model.backbone: timm {timm.__version__} has no backbone {backbone!r}{hint}; timm.list_models() lists all"
        )
    return timm.get_pretrained_cfg(backbone)


def build_network(
    name: str,
    weights: str | None,
    as_map: bool = False,
    drop_path_rate: float | None = None,
    *,
    img_size: tuple[int, int] | None = None,
) -> Any:
    """Build a network that gives pooled features [B, F] or its last hidden layer, or a feature map [B, F, h, w].

    Weights are a local file, or with "pretrained" the model.safetensors of the network's repository on the Hugging
    Face Hub, which timm knows. Only this file is fetched from there: no pickle, and no code.

    Raises:
        UserError: timm cannot build it so, or its weights cannot be fetched, cannot be read or do not fit.
    """
    network = _create(name, as_map, drop_path_rate)
    if img_size is not None and not hasattr(network, "set_input_size"):
        raise UserError(f"model.img_size: {name} of timm takes pictures of any size; set it to null")
    if weights is not None:
        path = _find_weights(name, weights)
        state = read_state_dict(path)
        # Published weights are loaded at the size that they were trained with, and timm interpolates them then; those
        # of a run with the new size have it already.
        if img_size is not None and not _fits(network, backbone_part(state)):
            network.set_input_size(img_size=img_size)
        load_state(network, state, path, source=weights, network=name)
    if img_size is not None:
        network.set_input_size(img_size=img_size)
    if as_map:
        network.register_forward_hook(_as_feature_map)
    return network


def _fits(network: nn.Module, state: Mapping[str, Tensor]) -> bool:
    return all(state[key].shape == own.shape for key, own in network.state_dict().items() if key in state)


def _create(name: str, as_map: bool, drop_path_rate: float | None) -> Any:
    (timm,) = import_extra("timm", "timm")
    options: dict[str, Any] = {"global_pool": ""} if as_map else {}
    if drop_path_rate is not None:
        options["drop_path_rate"] = drop_path_rate
    try:
        network = timm.create_model(name, pretrained=False, num_classes=0, **options)
    except (AssertionError, TypeError, ValueError) as error:  # how networks refuse arguments
        raise UserError(_refusal(name, options, error)) from error
    has_drop_path = any(isinstance(module, timm.layers.DropPath) for module in network.modules())
    if drop_path_rate and not has_drop_path:
        raise UserError(_refusal(name, {"drop_path_rate": drop_path_rate}, None))
    return network


def _refusal(name: str, options: Mapping[str, Any], error: Exception | None) -> str:
    if "drop_path_rate" in options and (error is None or "drop_path_rate" in str(error)):
        rate = options["drop_path_rate"]
        return f"model.drop_path_rate: {rate:g} needs stochastic depth, and {name} of timm has none; set it to null"
    if "global_pool" in options:
        return (
            f"model.head: a head of queries needs a feature map, and {name} of timm gives none ({error}); choose "
            "another head or another backbone"
        )
    return f"model.backbone: timm cannot build {name} without its classifier ({error}); choose another one"


def _as_feature_map(network: Any, _: Any, output: Tensor) -> Tensor:
    """Forward hook: the output of a network without pooling as a feature map [B, F, h, w].

    A hook leaves the network and the names of its parameters what they are.
    """
    if output.ndim == _GRID:  # tokens, behind those of the class and the like
        tokens = output[:, getattr(network, "num_prefix_tokens", 0) or 0 :]
        height, width = _grid(network, tokens.shape[1])
        return tokens.transpose(1, 2).unflatten(2, (height, width))
    is_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
    return output.permute(0, 3, 1, 2) if is_last and output.ndim == 4 else output


def _grid(network: Any, num_tokens: int) -> tuple[int, int]:
    height, width = getattr(getattr(network, "patch_embed", None), "grid_size", None) or (0, 0)
    if height * width == num_tokens:
        return height, width
    side = math.isqrt(num_tokens)
    return (side, side) if side * side == num_tokens else (num_tokens, 1)


def _find_weights(name: str, weights: str) -> Path:
    if weights == PRETRAINED:
        return _fetch(pretrained_config(name).hf_hub_id, name)
    return find_local_file(weights, [PRETRAINED], "timm")


def _fetch(repository: str | None, backbone: str) -> Path:
    """Return the path of the weights of a repository of timm on the Hub, after a download if needed."""
    if not repository:
        raise UserError(
            f"model.weights: timm publishes no {WEIGHTS} of {backbone!r}; set model.weights to a local file, or to null"
        )
    try:
        return Path(hf_hub_download(repository, WEIGHTS))
    except (OSError, ValueError, RuntimeError, EntryNotFoundError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"model.weights: cannot fetch {WEIGHTS} of {repository} from the Hugging Face Hub: {reason}. Connect to "
            "the network, or set model.weights to the file downloaded by hand, or to null for random weights"
        ) from error
