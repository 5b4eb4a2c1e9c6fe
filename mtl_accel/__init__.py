"""Train one image network for several labels at once, on Hugging Face Accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.lazy import lazy_dir, lazy_getattr

if TYPE_CHECKING:
    from .config import Config, read_config
    from .config.base import Section
    from .config.extension.source_options import SourceOptions
    from .config.sections.balancing import OnGradients
    from .config.sections.model import ModelConfig
    from .core.errors import UserError
    from .core.plugins.loading import load_plugin
    from .data.sources.plugin_source import register_source
    from .data.transforms.base import Operation
    from .data.transforms.registration import register_transform
    from .evaluation.evaluate import evaluate
    from .exporting.export import export
    from .inference.predict import predict
    from .inference.predictor import Predictor, load
    from .metrics.record import Metric
    from .metrics.registration import register_metric
    from .models.base import Pair
    from .models.heads import Heads
    from .models.registration import register_backbone, register_head, register_model
    from .objective.balancing.balancer import Balancer, GradientBalancer
    from .objective.balancing.registration import register_balancer
    from .objective.losses.element import ElementLoss
    from .objective.losses.registration import register_loss
    from .preflight.benchmark.suite import measure
    from .preflight.diagnosis.diagnose import diagnose
    from .preflight.diagnosis.findings import Diagnosis
    from .preflight.diagnosis.suggestion.suggest import Suggestion, suggest_config
    from .preflight.learning_rate.finding import LRFinding
    from .preflight.learning_rate.range_test import find_lr
    from .report import compare, write_report
    from .sweeping.comparison import write_comparison
    from .sweeping.sweep import Sweep, sweep
    from .training.callbacks import Callback, RunInfo
    from .training.train import Result, train

# The one place of the version: setup.cfg reads this line without importing the package.
__version__ = "0.1.0"

_HOMES = {
    "Config": "config",
    "read_config": "config",
    "UserError": "core.errors",
    "Callback": "training.callbacks",
    "RunInfo": "training.callbacks",
    "Result": "training.train",
    "train": "training.train",
    "Predictor": "inference.predictor",
    "load": "inference.predictor",
    "predict": "inference.predict",
    "evaluate": "evaluation.evaluate",
    "compare": "report",
    "diagnose": "preflight.diagnosis.diagnose",
    "Diagnosis": "preflight.diagnosis.findings",
    "Suggestion": "preflight.diagnosis.suggestion.suggest",
    "suggest_config": "preflight.diagnosis.suggestion.suggest",
    "write_report": "report",
    "Sweep": "sweeping.sweep",
    "sweep": "sweeping.sweep",
    "write_comparison": "sweeping.comparison",
    "measure": "preflight.benchmark.suite",
    "find_lr": "preflight.learning_rate.range_test",
    "LRFinding": "preflight.learning_rate.finding",
    "export": "exporting.export",
    "load_plugin": "core.plugins.loading",
    "register_backbone": "models.registration",
    "register_head": "models.registration",
    "register_model": "models.registration",
    "register_loss": "objective.losses.registration",
    "register_metric": "metrics.registration",
    "register_balancer": "objective.balancing.registration",
    "register_transform": "data.transforms.registration",
    "register_source": "data.sources.plugin_source",
    "Section": "config.base",
    "ModelConfig": "config.sections.model",
    "OnGradients": "config.sections.balancing",
    "SourceOptions": "config.extension.source_options",
    "Pair": "models.base",
    "Heads": "models.heads",
    "ElementLoss": "objective.losses.element",
    "Metric": "metrics.record",
    "Balancer": "objective.balancing.balancer",
    "GradientBalancer": "objective.balancing.balancer",
    "Operation": "data.transforms.base",
}
__all__ = [
    "Balancer",
    "Callback",
    "Config",
    "Diagnosis",
    "ElementLoss",
    "GradientBalancer",
    "Heads",
    "LRFinding",
    "Metric",
    "ModelConfig",
    "OnGradients",
    "Operation",
    "Pair",
    "Predictor",
    "Result",
    "RunInfo",
    "Section",
    "SourceOptions",
    "Suggestion",
    "Sweep",
    "UserError",
    "compare",
    "diagnose",
    "evaluate",
    "export",
    "find_lr",
    "load",
    "load_plugin",
    "measure",
    "predict",
    "read_config",
    "register_backbone",
    "register_balancer",
    "register_head",
    "register_loss",
    "register_metric",
    "register_model",
    "register_source",
    "register_transform",
    "suggest_config",
    "sweep",
    "train",
    "write_comparison",
    "write_report",
]

# torch and its kin take seconds, and --help needs none of them.
__getattr__ = lazy_getattr(__name__, _HOMES)
__dir__ = lazy_dir(globals(), _HOMES)
