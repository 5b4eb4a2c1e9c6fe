"""Export of a finished model: one file that needs neither the run nor this package."""

FORMATS = ("safetensors", "onnx", "torch")
