"""Parts for mtl_accel. Importing this package registers them."""

from . import loss, metric, network, source, transform

__all__ = ["loss", "metric", "network", "source", "transform"]
