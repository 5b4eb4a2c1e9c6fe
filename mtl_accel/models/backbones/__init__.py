"""Backbones that may be paired with any head. A new one is one line in BACKBONES; the tests then walk it too."""

from __future__ import annotations

import contextlib
import importlib.util

from ...config.knobs import did_you_mean
from ...config.sections.model import Architecture
from ...core.errors import UserError
from ...core.plugins.loading import registered_by
from .record import MIN_SIZE, Backbone
from .timm_networks import PREFIX, full_name, timm_backbone
from .torchvision_networks import torchvision_backbones

__all__ = ["BACKBONES", "MIN_SIZE", "Backbone", "find_backbone"]

BACKBONES: dict[str, Backbone] = torchvision_backbones()


def find_backbone(model: Architecture) -> Backbone:
    """The record of the backbone that a config names, one of BACKBONES or timm/NAME.

    Raises:
        UserError: there is none of this name, or a knob has no meaning for it.
    """
    name = model.backbone
    if name is None:
        raise UserError(
            f"model.backbone: must name a backbone with model.name {model.name!r}, such as resnet18 or "
            f"{PREFIX}resnet18.a1_in1k"
        )
    if name.startswith(PREFIX):
        chosen = full_name(name.removeprefix(PREFIX), model.pretrained_cfg)
        return timm_backbone(chosen or "", model.img_size)
    if name not in BACKBONES:
        raise UserError(f"model.backbone: there is no {name!r}{_meant(name)} {registered_by('register_backbone')}")
    given = {"img_size": model.img_size, "pretrained_cfg": model.pretrained_cfg}
    problems = [
        f"model.{knob}: {value!r} is for networks of timm, such as timm/{name}, and {name} is none; set it to null"
        for knob, value in given.items()
        if value is not None
    ]
    if problems:
        raise UserError(problems)
    return BACKBONES[name]


def _meant(name: str) -> str:
    """End of a message: the backbone that was meant, or all of them."""
    if importlib.util.find_spec("timm") is not None:
        with contextlib.suppress(UserError):
            timm_backbone(name)
            return f"; did you mean {PREFIX + name!r}?"
    listed = f"; known here: {', '.join(BACKBONES)}, and {PREFIX} with a name of timm's"
    return did_you_mean(name, BACKBONES) or listed
