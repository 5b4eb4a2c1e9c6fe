"""A callback that leaves traces wherever it can without an error: in random states, modes and gradients."""

import json
import random
from pathlib import Path

import numpy as np
import torch

import mtl_accel


class Nosy(mtl_accel.Callback):
    """Draws random numbers, runs the model with and without gradients, and writes down each call.

    Args:
        file: a line a call: hook, epoch, step and names of the metrics.
        stop_at: the call after which the run is asked to stop, such as ("on_step_end", 1, 3).
    """

    def __init__(self, file: Path, stop_at: tuple[str, int, int] | None = None) -> None:
        self.file, self.stop_at = file, stop_at

    def look(self, hook: str, info: mtl_accel.RunInfo) -> str | None:
        random.seed(random.random())
        np.random.seed(np.random.randint(1000))
        torch.manual_seed(int(torch.randint(1000, ())))
        assert not info.model.training and not torch.is_grad_enabled()
        images = torch.rand(2, 3, 32, 32, device=next(info.model.parameters()).device)
        info.model(images)
        with torch.enable_grad():
            sum(logits.sum() for logits in info.model(images.requires_grad_()).values()).backward()
        assert images.grad is not None
        info.model.requires_grad_(info.epoch == 1)
        info.model.train()
        torch.set_grad_enabled(True)
        info.say(f"{hook} has looked")
        call = [hook, info.epoch, info.step, sorted(info.metrics)]
        with self.file.open("a") as file:
            file.write(json.dumps(call) + "\n")
        return "stop" if (hook, info.epoch, info.step) == self.stop_at else None

    def on_start(self, info: mtl_accel.RunInfo) -> str | None:
        return self.look("on_start", info)

    def on_step_end(self, info: mtl_accel.RunInfo) -> str | None:
        return self.look("on_step_end", info)

    def on_epoch_end(self, info: mtl_accel.RunInfo) -> str | None:
        return self.look("on_epoch_end", info)

    def on_checkpoint(self, info: mtl_accel.RunInfo) -> str | None:
        return self.look("on_checkpoint", info)

    def on_end(self, info: mtl_accel.RunInfo) -> str | None:
        return self.look("on_end", info)
