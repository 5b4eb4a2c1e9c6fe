"""Any backbone of timm without its ImageNet layer, then Linear for each task. Needs the extra `timm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor

from ..config.knobs import did_you_mean
from ..core.errors import UserError, import_extra
from .base import Pair
from .heads import Heads, linear
from .weights import find_local_file, load_backbone_file

PRETRAINED, WEIGHTS = "pretrained", "model.safetensors"


class TimmLinear(Pair):
    """The heads read the output of timm's network with num_classes=0: pooled features, or the last hidden layer.

    Weights are a local file, or with "pretrained" the model.safetensors of the backbone's repository on the Hugging
    Face Hub, which timm knows. Only this file is fetched from there: no pickle, and no code.
    """

    takes_backbone = True

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None, backbone: str | None = None) -> None:
        super().__init__()
        config = _pretrained_config(backbone)
        (timm,) = import_extra("timm", "timm")
        network = timm.create_model(backbone, pretrained=False, num_classes=0)
        if weights == PRETRAINED:
            load_backbone_file(network, _fetch(config.hf_hub_id, backbone))
        elif weights is not None:
            load_backbone_file(network, find_local_file(weights, [PRETRAINED], "timm"))
        self.backbone = network
        self.heads = Heads({task: linear(network.head_hidden_size, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int] | None:
        config = _pretrained_config(backbone)
        return config.input_size[1:] if config.fixed_input_size else None


def _pretrained_config(backbone: str | None) -> Any:
    """timm's configuration of a backbone: the size of its input, and where its weights are.

    Raises:
        UserError: timm is not installed, or has no such backbone.
    """
    (timm,) = import_extra("timm", "timm")
    if backbone is None:
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


def _fetch(repository: str | None, backbone: str | None) -> Path:
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
