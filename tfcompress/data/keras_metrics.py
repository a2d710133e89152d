"""Judge by a compiled model's own Keras metric where it is none of ours."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfcompress.data import measures
from tfcompress.data.tasks import OutputTask


class KerasCounter:
    """Feeds batches to a fresh copy of a Keras metric, and to ours for recalls."""

    def __init__(self, output: OutputTask) -> None:
        source = output.compiled_metric
        if isinstance(source, keras.metrics.Metric):
            self._metric = type(source).from_config(source.get_config())
        else:
            self._metric = keras.metrics.MeanMetricWrapper(source, name=output.metric)
        self._output = output
        ours = OutputTask(
            kind=output.kind,
            num_classes=output.num_classes,
            class_names=output.class_names,
            from_logits=output.from_logits,
            ignore_class=output.ignore_class,
        )
        self._ours = measures.COUNTERS[output.kind](ours)

    def update(self, y: Any, prediction: Any, weight: Any) -> None:
        """Count one batch; class numbers become one-hot rows where the metric wants."""
        self._ours.update(y, prediction, weight)
        if self._wants_one_hot() and prediction.shape[-1] > 1:
            y = np.eye(prediction.shape[-1], dtype=np.float32)[y.astype(np.int64)]
        self._metric.update_state(y, prediction, sample_weight=weight)

    def figures(self) -> measures.Figures:
        """Return the metric's result with our recalls."""
        found = self._ours.figures()
        return measures.Figures(
            value=float(np.mean(self._metric.result())),
            recalls=found.recalls,
            details=found.details,
        )

    def _wants_one_hot(self) -> bool:
        if self._output.kind not in ("classification", "segmentation"):
            return False
        name = type(self._metric).__name__.lower() + self._output.metric.lower()
        return "sparse" not in name and (
            self._output.one_hot or "categorical" in name or "auc" in name
        )
