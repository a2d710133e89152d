"""How much each layer loses when it alone is quantized.

One layer after the other gets quantized weights and a quantized output, all else stays
float; the outputs are compared with the float network's on held-out examples:

* ``snr_db``: power of the outputs over power of their change;
* ``kl``: mean Kullback-Leibler divergence of the class probabilities, in nats;
* ``drop``: loss of the metric, coarse on few examples.

Source: the analysis of single layers in Nagel et al., "A White Paper on Neural Network
Quantization", arXiv 2106.08295, section 3.6 (debugging workflow).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import data
from tfcompress.config import require
from tfcompress.data import evaluation
from tfcompress.quantize import precision as precisions
from tfcompress.quantize.progress import LayerProgress, Report
from tfcompress.quantize.simulation import Simulation

CEILING_DB = 200.0  # reported where nothing changes; JSON has no infinity
RANKED_BY = ("snr_db", "kl", "drop")
_FLOAT = "\0float"  # no layer has such a name


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerSensitivity:
    """What quantizing one layer alone costs.

    Attributes:
        layer: Its name.
        weights: How many quantized weights it has.
        snr_db: Of the model's outputs, in dB; the smaller, the worse.
        kl: Mean divergence of the class probabilities, in nats; None without classes.
        value: The metric.
        drop: How much worse the metric is than the float model's.
    """

    layer: str
    weights: int
    snr_db: float
    kl: float | None
    value: float
    drop: float

    def badness(self, by: str) -> float:
        """Return a number that is larger for a worse layer."""
        if by == "snr_db":
            return -self.snr_db
        value = self.kl if by == "kl" else self.drop
        return -math.inf if value is None else value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The layers of a model, the most sensitive first.

    Attributes:
        precision: What each layer was quantized to.
        metric: Name of the metric.
        value: The float model's metric.
        num_examples: Held-out examples that were looked at.
        layers: By falling sensitivity.
    """

    precision: str
    metric: str
    value: float
    num_examples: int
    layers: tuple[LayerSensitivity, ...]

    def ranked(self, by: str = "snr_db") -> tuple[LayerSensitivity, ...]:
        """Return the layers, the worst first.

        Args:
            by: ``snr_db``, ``kl`` or ``drop``.
        """
        require(by in RANKED_BY, "by", by, "one of " + ", ".join(RANKED_BY))
        return tuple(sorted(self.layers, key=lambda layer: -layer.badness(by)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Sensitivity:
        """Read what `to_dict` wrote."""
        layers = tuple(LayerSensitivity(**layer) for layer in content["layers"])
        return cls(**{**content, "layers": layers})


def sensitivity(  # noqa: PLR0913 - one call for the whole study
    model: keras.Model,
    dataset: data.Dataset,
    *,
    precision: str = "int8",
    task: data.Task | None = None,
    num_examples: int = 1000,
    calibration_examples: int = 500,
    batch_size: int = 64,
    per_channel: bool = True,
    progress: Report | None = None,
) -> Sensitivity:
    """Rank the layers by the loss of quantizing each alone.

    The validation part decides; the test part is never read. One forward pass per
    layer and batch, through a function that is compiled once.

    Args:
        model: A built functional or Sequential model; it is not changed.
        dataset: The data that it was trained on.
        precision: What a layer is quantized to: ``int8``, ``int8_w4`` or ``int16x8``.
        task: What to judge by; default: what model and data say.
        num_examples: Held-out examples to look at, at most.
        calibration_examples: Training examples that set the ranges.
        batch_size: Examples at a time; changes speed and memory only.
        per_channel: One weight scale per output channel; else one per kernel.
        progress: Told a `LayerProgress` after each batch.

    Raises:
        ConfigError: If the precision is none that quantizes.
        DataError: If the data do not fit the model.
        ModelError: If the model's graph cannot be read.
    """
    known = precisions.PRECISIONS[1:]
    require(precision in known, "precision", precision, "one of " + ", ".join(known))
    task = task or data.Task.for_model(model, dataset)
    simulation = Simulation(model, per_channel=per_channel)
    simulation.calibrate(dataset.calibration(calibration_examples))
    study = _Study(simulation, precision, task)
    total = math.ceil(min(num_examples, dataset.sizes["validation"]) / batch_size)
    found = evaluation.measure_each(
        task,
        study.predict,
        study.reported(_first(dataset, num_examples, batch_size), total, progress),
    )
    whole = found.pop(_FLOAT)
    layers = [study.layer(name, found[name], whole) for name in simulation.layers]
    layers.sort(key=lambda layer: -layer.badness("snr_db"))
    return Sensitivity(
        precision=precision,
        metric=whole.metric,
        value=whole.value,
        num_examples=whole.num_examples,
        layers=tuple(layers),
    )


def _first(dataset: data.Dataset, count: int, batch_size: int) -> Iterator[Any]:
    """Yield the first `count` held-out examples in batches."""
    left = count
    for batch in dataset.validation(batch_size):
        if left <= 0:
            return
        cut = keras.tree.map_structure(lambda part: np.asarray(part)[:left], batch)  # noqa: B023 - used at once
        left -= len(keras.tree.flatten(cut)[0])
        yield cut


class _Study:
    """Predicts with every layer quantized in turn, and compares with the float net."""

    def __init__(self, simulation: Simulation, precision: str, task: data.Task) -> None:
        self._simulation = simulation
        self._precision = precision
        self._task = task
        self._signal = 0.0
        self._noise = dict.fromkeys(simulation.layers, 0.0)
        self._kl = dict.fromkeys(simulation.layers, 0.0)
        self._counted = 0

    def predict(self, x: Any) -> Iterator[tuple[str, Any]]:
        """Yield the outputs of the float network, then those of each state."""
        self._simulation.set({})
        exact = self._simulation(x)
        yield _FLOAT, exact
        reference = _by_output(self._task, exact)
        self._signal += sum(_power(value) for value in reference.values())
        logs = _log_probabilities(self._task, reference)
        for name in self._simulation.layers:
            self._simulation.set({name: self._precision})
            made = self._simulation(x)
            outputs = _by_output(self._task, made)
            self._noise[name] += sum(
                _power(outputs[key] - value) for key, value in reference.items()
            )
            self._kl[name] += _divergence(logs, _log_probabilities(self._task, outputs))
            yield name, made
        self._counted += sum(log[..., 0].size for log in logs.values())
        self._simulation.set({})

    def reported(
        self,
        batches: Iterator[Any],
        total: int,
        progress: Report | None,
    ) -> Iterator[Any]:
        """Pass the batches on and say how far it is."""
        for number, batch in enumerate(batches, start=1):
            yield batch
            if progress is not None:
                progress(LayerProgress(what="sensitivity", done=number, total=total))

    def layer(
        self, name: str, found: data.Evaluation, whole: data.Evaluation
    ) -> LayerSensitivity:
        """Return what was found out about a layer."""
        kl = self._kl[name] / self._counted if self._counted else None
        return LayerSensitivity(
            layer=name,
            weights=self._simulation.layers[name],
            snr_db=_decibels(self._signal, self._noise[name]),
            kl=kl,
            value=found.value,
            drop=found.drop_from(whole),
        )


def _by_output(task: data.Task, made: Any) -> dict[str, Any]:
    return {k: np.asarray(v, np.float64) for k, v in task.by_output(made).items()}


def _power(value: Any) -> float:
    return float(np.square(value).sum())


def _decibels(signal: float, noise: float) -> float:
    if noise <= 0:
        return CEILING_DB
    ratio = 10 * math.log10(signal / noise) if signal > 0 else -CEILING_DB
    return max(-CEILING_DB, min(CEILING_DB, ratio))


def _log_probabilities(task: data.Task, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return log p of each output with classes, ``[..., classes]``."""
    found = {}
    for name, value in outputs.items():
        about = task.outputs[name]
        if about.kind not in ("classification", "segmentation") or value.shape[-1] < 2:
            continue
        raw = value if about.from_logits else np.log(np.maximum(value, 1e-12))
        shifted = raw - raw.max(axis=-1, keepdims=True)
        found[name] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def _divergence(exact: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the summed divergence ``sum p (log p - log q)``."""
    return float(
        sum((np.exp(log) * (log - other[name])).sum() for name, log in exact.items())
    )
