"""Is the .tflite file as good as its Keras model, on the whole evaluation set?

Both are judged by the same task on the same batches.  Beside the metric's drop the
report has what shows damage before a metric does: how often the top answers agree, the
signal-to-noise ratio of the outputs, the drop of every class, and, when a quantized
file fails, the layers that lose most.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import keras

from tfcompress import config, errors
from tfcompress.data import Dataset, Evaluation, Task, check_fits
from tfcompress.tflite import conversion, layer_errors, parsing
from tfcompress.tflite.calibration import named
from tfcompress.tflite.comparison import Comparison, MatchedFile, compare
from tfcompress.tflite.running import Runner

_DIAGNOSED_EXAMPLES = 16

File = str | os.PathLike[str] | bytes | conversion.Conversion


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParityReport:
    """How a file compares with its model.

    Args:
        passed: Whether no limit is broken.
        reasons: The broken limits, a sentence each.
        split: The part of the data set that was used.
        keras: Judgement of the model.
        tflite: Judgement of the file.
        drop: How much worse the file is, in the metric's unit; negative: better.
        agreement: Share of equal top answers, of the output where it is lowest; None
            for regression.
        snr_db: Of the outputs, against the model's.
        per_class_drop: Drop of each class's recall.
        worst_layers: For a failing quantized file, the layers that lose most.
    """

    passed: bool
    reasons: tuple[str, ...]
    split: str
    keras: Evaluation
    tflite: Evaluation
    drop: float
    max_drop: float | None
    agreement: float | None
    min_agreement: float | None
    snr_db: float
    per_class_drop: dict[str, float]
    worst_layers: tuple[layer_errors.LayerError, ...] = ()

    @property
    def num_examples(self) -> int:
        """How many examples were compared."""
        return self.keras.num_examples

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "split": self.split,
            "num_examples": self.num_examples,
            "keras": self.keras.to_dict(),
            "tflite": self.tflite.to_dict(),
            "drop": self.drop,
            "max_drop": self.max_drop,
            "top1_agreement": self.agreement,
            "min_agreement": self.min_agreement,
            "snr_db": self.snr_db,
            "per_class_drop": self.per_class_drop,
            "worst_layers": [layer.to_dict() for layer in self.worst_layers],
        }

    def raise_if_failed(self) -> None:
        """Raise if a limit is broken.

        Raises:
            ParityError: With the reasons, and the worst layers if they are known.
        """
        if self.passed:
            return
        layers = ", ".join(layer.layer for layer in self.worst_layers)
        hint = f" Most is lost in {layers}." if layers else ""
        raise errors.ParityError(
            f"The .tflite file is not as good as the model. Received: "
            f"{'; '.join(self.reasons)}.{hint} Calibrate with more examples, or use "
            "the recipe 'int16x8', 'dynamic_int8' or 'float16'."
        )


def check_parity(  # noqa: PLR0913 (one call for the whole stage)
    model: keras.Model,
    tflite: File,
    *,
    data: Dataset,
    split: str = "test",
    max_drop: float | None = None,
    min_agreement: float | None = None,
    task: Task | None = None,
) -> ParityReport:
    """Compare a .tflite file with the Keras model that it was made from.

    Args:
        model: The Keras model.
        tflite: The file, its bytes, or what `convert` returned.
        data: Where the examples come from; all of `split` are used, streamed.
        split: ``test`` or ``validation``.
        max_drop: Fail if the file's metric is worse by more than this.
        min_agreement: Fail if a smaller share of the top answers is equal, in [0, 1].
        task: What to judge by; default: what model and data set say.

    Raises:
        ParityError: If the file's inputs or outputs are not the model's.
        TfliteFileError: If the file is damaged or cannot run.
        DataError: If the data do not fit the model.
        ConfigError: If a limit is out of its range or the task has no such figure.
    """
    task = task or Task.for_model(model, data)
    _check_settings(task, data, split, max_drop, min_agreement)
    check_fits(model, data)
    runner, content = _open(tflite)
    file = MatchedFile(runner, model)
    found = compare(model, file, task=task, data=data, split=split)
    drop = found.tflite.drop_from(found.keras)
    reasons = _reasons(found, drop, max_drop, min_agreement)
    worst: tuple[layer_errors.LayerError, ...] = ()
    if reasons and _is_quantized(content):
        worst = _diagnose(model, content, file, data, split)
    return ParityReport(
        passed=not reasons,
        reasons=reasons,
        split=split,
        keras=found.keras,
        tflite=found.tflite,
        drop=drop,
        max_drop=max_drop,
        agreement=found.agreement,
        min_agreement=min_agreement,
        snr_db=found.snr_db,
        per_class_drop=_class_drops(found.keras, found.tflite),
        worst_layers=worst,
    )


def _check_settings(
    task: Task,
    data: Dataset,
    split: str,
    max_drop: float | None,
    min_agreement: float | None,
) -> None:
    splits = ", ".join(repr(name) for name in data.sizes)
    config.require(split in data.sizes, "split", split, f"one of {splits}")
    if max_drop is not None:
        config.require(max_drop >= 0, "max_drop", max_drop, "a number of at least 0")
    if min_agreement is None:
        return
    inside = 0 <= min_agreement <= 1
    config.require(inside, "min_agreement", min_agreement, "a share from 0 to 1")
    if all(output.kind == "regression" for output in task.outputs.values()):
        raise errors.ConfigError(
            f"A regression has no top answer to agree on. Received: min_agreement="
            f"{min_agreement}. Limit the drop of its metric with max_drop instead."
        )


def _open(tflite: File) -> tuple[Runner, bytes]:
    if isinstance(tflite, conversion.Conversion):
        return Runner(tflite.content), tflite.content
    return Runner(tflite, trusted=False), parsing.read_content(tflite)[0]


def _reasons(
    found: Comparison,
    drop: float,
    max_drop: float | None,
    min_agreement: float | None,
) -> tuple[str, ...]:
    reasons = []
    if max_drop is not None and drop > max_drop:
        reasons.append(
            f"{found.keras.metric} is {drop:.4f} worse than the model's "
            f"({found.tflite.value:.4f} against {found.keras.value:.4f}); allowed is "
            f"{max_drop:g}"
        )
    if (
        min_agreement is not None
        and found.agreement is not None
        and found.agreement < min_agreement
    ):
        reasons.append(
            f"the top answers agree on {found.agreement:.4f} of the examples; needed "
            f"is {min_agreement:g}"
        )
    return tuple(reasons)


def _class_drops(before: Evaluation, after: Evaluation) -> dict[str, float]:
    recalls = after.per_class or {}
    return {
        name: recall - recalls.get(name, 0.0)
        for name, recall in (before.per_class or {}).items()
    }


def _is_quantized(content: bytes) -> bool:
    """Tell whether the operators compute on integers made from floats."""
    graph = parsing.parse(content).subgraphs[0]
    return any(t.scales and t.data is None for t in graph.tensors)


def _diagnose(
    model: keras.Model, content: bytes, file: MatchedFile, data: Dataset, split: str
) -> tuple[layer_errors.LayerError, ...]:
    batch = next(iter(data.batches(split, _DIAGNOSED_EXAMPLES)))
    arrays = named(batch[0], file.input_names)
    examples = [
        {name: array[i : i + 1] for name, array in arrays.items()}
        for i in range(len(next(iter(arrays.values()))))
    ]
    reference = conversion.convert(model, "float32").content
    return layer_errors.worst_layers(
        reference, content, examples, layers=layer_errors.layers_of(model, reference)
    )
