"""Train one image network for several labels at once, on Hugging Face Accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.lazy import lazy_dir, lazy_getattr

if TYPE_CHECKING:
    from .config import Config, read_config
    from .core.errors import UserError
    from .evaluation.evaluate import evaluate
    from .exporting.export import export
    from .inference.predict import predict
    from .inference.predictor import Predictor, load
    from .preflight.benchmark.suite import measure
    from .preflight.diagnosis.diagnose import diagnose
    from .preflight.diagnosis.findings import Diagnosis
    from .preflight.diagnosis.suggestion.suggest import Suggestion, suggest_config
    from .report import compare, write_report
    from .sweeping.comparison import write_comparison
    from .sweeping.sweep import Sweep, sweep
    from .training.train import Result, train

# The one place of the version: setup.cfg reads this line without importing the package.
__version__ = "0.1.0"

_HOMES = {
    "Config": "config",
    "read_config": "config",
    "UserError": "core.errors",
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
    "export": "exporting.export",
}
__all__ = [
    "Config",
    "Diagnosis",
    "Predictor",
    "Result",
    "Suggestion",
    "Sweep",
    "UserError",
    "compare",
    "diagnose",
    "evaluate",
    "export",
    "load",
    "measure",
    "predict",
    "read_config",
    "suggest_config",
    "sweep",
    "train",
    "write_comparison",
    "write_report",
]

# torch and its kin take seconds, and --help needs none of them.
__getattr__ = lazy_getattr(__name__, _HOMES)
__dir__ = lazy_dir(globals(), _HOMES)
