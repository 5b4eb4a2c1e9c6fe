"""Other optimizers of torch and timm, by name: accepted without a section of their own for each."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from ..base import WithArguments

# Those of torch.optim that step from one gradient of any shape. They are written down, so that reading a config does
# not import torch; a test compares the list with what is installed.
TorchOptimizerName = Literal[
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
]

# Those of timm.optim that need no other package and no second derivative, that draw no random numbers, and that are
# not torch's own or an older copy of another one. A test compares the list with what is installed.
TimmOptimizerName = Literal[
    "timm/adabelief",
    "timm/adafactor",
    "timm/adafactorbv",
    "timm/adafactorbvc",
    "timm/adamc",
    "timm/adamp",
    "timm/adamuon",
    "timm/adan",
    "timm/adanw",
    "timm/adopt",
    "timm/adoptc",
    "timm/adoptw",
    "timm/cadafactor",
    "timm/cadafactorbv",
    "timm/cadafactorbvc",
    "timm/cadamc",
    "timm/cadamp",
    "timm/cadamw",
    "timm/cadan",
    "timm/cadanw",
    "timm/cadopt",
    "timm/cadoptc",
    "timm/cadoptw",
    "timm/clamb",
    "timm/clambw",
    "timm/claprop",
    "timm/clion",
    "timm/clionc",
    "timm/cmars",
    "timm/cnadamc",
    "timm/cnadamw",
    "timm/crmsproptf",
    "timm/csgdc",
    "timm/csgdp",
    "timm/csgdw",
    "timm/lamb",
    "timm/lambc",
    "timm/lambcd",
    "timm/lambcw",
    "timm/lambw",
    "timm/laprop",
    "timm/lapropc",
    "timm/larc",
    "timm/lars",
    "timm/lion",
    "timm/lionc",
    "timm/madgrad",
    "timm/madgradw",
    "timm/mars",
    "timm/muon",
    "timm/nadamc",
    "timm/nadamuon",
    "timm/nadamw",
    "timm/nesterovw",
    "timm/nlarc",
    "timm/nlars",
    "timm/nmuon",
    "timm/novograd",
    "timm/novogradc",
    "timm/novogradw",
    "timm/radabelief",
    "timm/rmsproptf",
    "timm/rmsproptfc",
    "timm/rmsproptfw",
    "timm/sgdc",
    "timm/sgdp",
    "timm/sgdw",
]

TIMM = "timm/"  # before the name of an optimizer of timm

# Why an optimizer cannot be named, for messages.
CANNOT_WORK: Final = {
    "LBFGS": "computes the loss several times a step, and each step here has one forward pass",
    "SparseAdam": "takes sparse gradients alone, and no network here has any",
    "Muon": "takes matrices alone, and networks have filters, norms and biases too; timm/muon takes all of them",
}


class _Named(WithArguments):
    lr: Annotated[float, Field(gt=0)] = Field(description="Learning rate.")


class TorchOptimizer(_Named):
    """Any other optimizer of torch.optim. The keys beside the name are its arguments, which torch checks before
    training; what is left out is torch's default.
    """

    name: TorchOptimizerName


class TimmOptimizer(_Named):
    """An optimizer of timm.optim, by the name that timm lists it under; needs the extra `timm`. The keys beside the
    name are its arguments, with timm's own defaults, among them a momentum of 0.9 where it has one, and no decay.
    """

    name: TimmOptimizerName
