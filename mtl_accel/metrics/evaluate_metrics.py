"""The metrics of each kind of task as an `evaluate.Metric`, for programs that are built on that library.

They are shipped with the package: nothing is fetched or run from a working folder.
"""

from __future__ import annotations

import io
from typing import Any, ClassVar

import datasets
import evaluate
import numpy as np

from .measuring import compute, label_table, require_same_rows
from .registry import metric_names
from .thresholds import DEFAULT_THRESHOLD

_INPUTS = """
    predictions, references, mask: arrays of one batch with the same number of rows. Shapes and meaning stand in
    the metric's own description. Where `mask` is False, prediction and reference count for nothing.
"""
_CITATION = (
    "Pedregosa et al., Scikit-learn: Machine Learning in Python, Journal of Machine Learning Research 12, "
    "pages 2825-2830, 2011."
)


def _to_npy(array: Any, dtype: type | None = None) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, dtype), allow_pickle=False)
    return stream.getvalue()


def _from_npy(batches: list[bytes]) -> np.ndarray:
    return np.concatenate([np.load(io.BytesIO(batch), allow_pickle=False) for batch in batches])


class ArrayMetric(evaluate.Metric):
    """The metrics of one kind of task, over batches of whole arrays with a mask of what is labelled.

    Batches are stored as npy files inside evaluate's Arrow table, one table row a batch: `evaluate` turns every number
    into a Python object on its way to Arrow and back, which takes 1 second for 39,092 x 15 elements. As npy bytes the
    same arrays take 30 milliseconds, keep every bit of their float64 numbers, and keep their shape when they have no
    rows.
    """

    KIND: ClassVar[str]
    ARRAYS: ClassVar[str]  # the shapes and dtypes of predictions, references and mask

    def _info(self) -> evaluate.MetricInfo:
        npy = datasets.Value("large_binary")
        return evaluate.MetricInfo(
            description=f"{', '.join(metric_names(self.KIND))} of a {self.KIND} task. {self.ARRAYS}",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": npy, "references": npy, "mask": npy}),
            reference_urls=["https://scikit-learn.org/stable/modules/model_evaluation.html"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, mask: Any = None) -> None:
        """Store one batch of arrays.

        Args: see the metric's description.

        Raises:
            ValueError: the arrays do not have the same number of rows.
        """
        require_same_rows(predictions, references, mask)
        super().add_batch(
            predictions=[_to_npy(predictions, np.float64)],
            references=[_to_npy(references)],
            mask=[_to_npy(mask, np.bool_)],
        )

    def _compute(
        self, *, predictions: list[bytes], references: list[bytes], mask: list[bytes], **options: Any
    ) -> dict[str, Any]:
        return self.measure(_from_npy(predictions), _from_npy(references), _from_npy(mask), **options)

    def measure(self, scores: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        """Every value by its name, and the table of `label_table` as "per_label", from the arrays of all batches."""
        return _values(self.KIND, scores, targets, mask)


class MulticlassMetric(ArrayMetric):
    """The metrics of `multiclass.METRICS`."""

    KIND = "multiclass"
    ARRAYS = (
        "predictions: scores, larger is likelier, float [N, K]; references: class indices, int [N]; mask: bool [N]. "
        "per_label holds precision, recall, f1 and support of each class."
    )


class OrdinalMetric(ArrayMetric):
    """The metrics of `ordinal.METRICS`."""

    KIND = "ordinal"
    ARRAYS = (
        "predictions: probabilities of the classes from the lowest to the highest, float [N, K]; references: class "
        "indices, int [N]; mask: bool [N]. per_label holds precision, recall, f1 and support of each class."
    )


class MultilabelMetric(ArrayMetric):
    """The metrics of `multilabel.METRICS`."""

    KIND = "multilabel"
    ARRAYS = (
        "predictions: probabilities, float [N, C]; references: 0 or 1, [N, C]; mask: bool [N, C]; threshold (to "
        "compute): from where on a label is predicted, one number or one for each label. per_label holds precision, "
        "recall, f1 and support of each label."
    )

    def measure(
        self,
        scores: np.ndarray,
        targets: np.ndarray,
        mask: np.ndarray,
        threshold: float | np.ndarray = DEFAULT_THRESHOLD,
    ) -> dict[str, Any]:
        """The same at a threshold, one number or [C]."""
        return _values(self.KIND, scores, targets, mask, threshold)


class RegressionMetric(ArrayMetric):
    """The metrics of `regression.METRICS`."""

    KIND = "regression"
    ARRAYS = "predictions: float [N, C]; references: float [N, C]; mask: bool [N, C]."


METRICS: dict[str, type[ArrayMetric]] = {
    metric.KIND: metric for metric in (MulticlassMetric, OrdinalMetric, MultilabelMetric, RegressionMetric)
}


def _values(
    kind: str,
    scores: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    threshold: float | np.ndarray = DEFAULT_THRESHOLD,
) -> dict[str, Any]:
    table = label_table(kind, scores, targets, mask, threshold)
    return compute(kind, scores, targets, mask, threshold) | ({} if table is None else {"per_label": table})
