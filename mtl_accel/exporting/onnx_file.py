"""One ONNX file: written by torch's exporter, read back by onnxruntime."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import UserError, import_extra
from ..runs.model_folder import ModelDescription
from .graph import DYNAMIC_SHAPES, Graph, example_images, metadata

OPSET = 18
_MAX_BYTES = 2**31 - 2**20  # protobuf's limit for one file, less the graph beside the weights


def to_onnx(graph: Graph, description: ModelDescription) -> bytes:
    """Content of the ONNX file. Each value of the metadata is JSON.

    Raises:
        UserError: packages of the extra are missing, or the model is too large for one file.
    """
    onnx, *_ = require_packages()
    num_bytes = sum(tensor.nbytes for tensor in graph.state_dict().values())
    if num_bytes > _MAX_BYTES:
        raise UserError(
            f"--format onnx: the weights take {num_bytes:,} bytes, and one ONNX file holds {_MAX_BYTES:,}; "
            "use --format torch"
        )
    with warnings.catch_warnings():
        # The exporter of torch 2.10 uses a class of its own that it warns of.
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec", category=FutureWarning)
        program = torch.onnx.export(
            graph,
            (example_images(description),),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=DYNAMIC_SHAPES,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    _rename_values(program.model.graph, list(graph.tasks))
    for node in program.model.graph:
        node.metadata_props.clear()  # the exporter's notes, which name files of this machine
    program.model.metadata_props.update({k: json.dumps(v) for k, v in metadata(description).items()})
    proto = program.model_proto
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content


class Session:
    """An ONNX file that is run by onnxruntime on the CPU."""

    def __init__(self, content: bytes) -> None:
        *_, onnxruntime = require_packages()
        self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def __call__(self, images: Tensor) -> dict[str, np.ndarray]:
        """Return {task: float32 [B, C]} of uint8 [B, 3, H, W]."""
        names = [output.name for output in self._session.get_outputs()]
        (only_input,) = self._session.get_inputs()
        return dict(zip(names, self._session.run(names, {only_input.name: images.numpy()}), strict=True))


def require_packages() -> list[Any]:
    """Return onnx, onnxscript and onnxruntime. Raises UserError where one is missing."""
    return import_extra("export", "onnx", "onnxscript", "onnxruntime")


def _rename_values(graph: Any, tasks: list[str]) -> None:
    """Name the input "images" and the outputs after the tasks, and no value between them the same.

    The exporter names values after operators, and a task may be called "relu".
    """
    input_name = "images"
    while input_name in tasks:
        input_name += "_"
    own = {*graph.inputs, *graph.outputs}
    inner = [value for node in graph for value in node.outputs if value not in own]
    for value in [*inner, *graph.initializers.values()]:
        if value.name in {input_name, *tasks}:
            value.name = f"{value.name}.inner"  # no task's name has a dot
    for value, name in zip([*graph.inputs, *graph.outputs], [input_name, *tasks], strict=True):
        value.name = name
