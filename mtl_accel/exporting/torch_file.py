"""One file of torch.export, read back as a program that needs torch alone."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import torch
from torch import Tensor

from ..runs.model_folder import ModelDescription
from .graph import DYNAMIC_SHAPES, Graph, example_images, metadata

METADATA = "metadata.json"  # name inside the file


def to_program(graph: Graph, description: ModelDescription) -> bytes:
    """Content of the file, with the metadata as JSON in its extra file."""
    program = torch.export.export(graph, (example_images(description),), dynamic_shapes=DYNAMIC_SHAPES)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(metadata(description))})
    return buffer.getvalue()


class Program:
    """A file that is run by torch. Only for what we wrote: a stranger's file can run code when it is loaded."""

    def __init__(self, content: bytes) -> None:
        with warnings.catch_warnings():
            # torch 2.10 warns that weights which share memory with the file's bytes must not be written to.
            warnings.filterwarnings("ignore", message="The given buffer is not writable", category=UserWarning)
            self._module = torch.export.load(io.BytesIO(content)).module()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> dict[str, np.ndarray]:
        """Return {task: float32 [B, C]} of uint8 [B, 3, H, W]."""
        return {name: values.numpy() for name, values in self._module(images).items()}
