"""Watch the scales of a model move towards zero while it trains."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.config import require
from tfcompress.training.event_files import EventFile
from tfcompress.training.following import follow_optimizer

Array = npt.NDArray[Any]
Logs = MutableMapping[str, Any]


class SlimmingMonitor(keras.callbacks.Callback):
    """Record how the BatchNorm scales are distributed after every epoch.

    Each epoch adds ``scales_near_zero`` to the logs: the share of scales that the model
    could do without. `records` holds a histogram of |gamma| before training and after
    each epoch; with `log_dir`, TensorBoard shows the same.

    Watched are the layers that have a penalty on their scales, or all if none has. The
    callback also tells proximal steps which optimizer they belong to, and stops
    training when a scale is no longer finite.

    Args:
        near_zero: Scales with ``|gamma|`` below this count as zero.
        bins: Number of bars of a histogram.
        log_dir: Folder for TensorBoard event files.

    Attributes:
        records: One dict per epoch: ``epoch`` (0 is before training), ``edges``
            (`bins` + 1 numbers), ``counts`` and ``near_zero``, the share in [0, 1].
            It goes on when the model is fitted again.

    Raises:
        ConfigError: If `near_zero` or `bins` is not positive.
        ModelError: When training starts, if the model has no BatchNorm scales.
        TrainingError: After an epoch that left a scale NaN or infinite.
    """

    log_name = "scales_near_zero"

    def __init__(
        self,
        *,
        near_zero: float = 1e-2,
        bins: int = 40,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        require(near_zero > 0, "near_zero", near_zero, "above 0")
        require(bins >= 1, "bins", bins, "1 or more")
        self.near_zero = near_zero
        self.bins = bins
        self.records: list[dict[str, Any]] = []
        self._events = None if log_dir is None else EventFile(log_dir)
        self._edges: Array | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Find the layers to watch, and record how they start."""
        del logs
        self._layers = _watched(self.model)
        follow_optimizer(self.model)
        if self._edges is None:
            top = max(1.0, float(np.max(np.concatenate(list(self._scales().values())))))
            self._edges = np.linspace(0.0, top, self.bins + 1)
        if not self.records:
            self._record(0)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record the scales, and put the share near zero into `logs`."""
        record = self._record(epoch + 1)
        if logs is not None:
            logs[self.log_name] = record["near_zero"]

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed training needs, as JSON values."""
        return {"records": self.records}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on after the epochs that an interrupted training recorded."""
        self.records = [dict(record) for record in state["records"]]
        if self.records:
            self._edges = np.asarray(self.records[0]["edges"])

    def _record(self, epoch: int) -> dict[str, Any]:
        scales = self._scales()
        _refuse_not_finite(scales, epoch)
        values = np.concatenate(list(scales.values()))
        assert self._edges is not None  # noqa: S101 - on_train_begin comes first
        # The last bar also holds what has grown beyond the edges.
        counts, _ = np.histogram(np.minimum(values, self._edges[-1]), self._edges)
        record = {
            "epoch": epoch,
            "edges": [round(float(edge), 6) for edge in self._edges],
            "counts": counts.tolist(),
            "near_zero": float(np.mean(values < self.near_zero)),
        }
        self.records = [r for r in self.records if r["epoch"] < epoch] + [record]
        if self._events is not None:
            self._write_events(self._events, epoch, scales, values)
        return record

    def _write_events(
        self, events: EventFile, epoch: int, scales: dict[str, Array], values: Array
    ) -> None:
        assert self._edges is not None  # noqa: S101 - set before the first record
        share = float(np.mean(values < self.near_zero))
        events.scalar(f"slimming/{self.log_name}", share, epoch)
        events.scalar("slimming/mean_scale", float(values.mean()), epoch)
        events.histogram("slimming/scales", values, self._edges, epoch)
        for name, own in scales.items():
            share = float(np.mean(own < self.near_zero))
            events.scalar(f"{self.log_name}/{name}", share, epoch)
        events.flush()

    def _scales(self) -> dict[str, Array]:
        """Return |gamma| of every watched layer."""
        return {
            layer.path or layer.name: np.abs(np.asarray(layer.gamma.value))
            for layer in self._layers
        }


def _watched(model: keras.Model) -> list[Any]:
    norms = [
        layer
        for layer in _flat_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.scale
    ]
    if not norms:
        raise errors.ModelError(
            "`SlimmingMonitor` needs BatchNormalization layers with `scale=True`. "
            f"Received: model {model.name!r}, which has none. Remove the callback."
        )
    penalised = [n for n in norms if n.gamma_regularizer or n.gamma_constraint]
    return penalised or norms


def _flat_layers(model: keras.Model) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat_layers(layer)
        else:
            yield layer


def _refuse_not_finite(scales: dict[str, Array], epoch: int) -> None:
    broken = [name for name, own in scales.items() if not np.isfinite(own).all()]
    if broken:
        raise errors.TrainingError(
            "BatchNormalization scales are no longer finite. Received: NaN or "
            f"infinity in {broken[0]!r} ({len(broken)} of {len(scales)} layers) after "
            f"epoch {epoch}. Lower the learning rate or the strength."
        )
