"""Stream an evaluation set through a Keras model and its .tflite file, and compare.

Two passes over the same batches in the same order: the model's outputs of the first
wait on disk (`OutputSpool`) for the file's of the second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.data import Dataset, Evaluation, Task, predictor
from tfcompress.tflite import exporting
from tfcompress.tflite.agreement import Agreement
from tfcompress.tflite.calibration import named
from tfcompress.tflite.output_spool import OutputSpool
from tfcompress.tflite.running import Runner
from tfcompress.tflite.signal_quality import SignalQuality

Array = np.ndarray[Any, Any]

BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two passes over the same examples showed; fields as in `ParityReport`."""

    keras: Evaluation
    tflite: Evaluation
    agreement: float | None
    snr_db: float


def compare(
    model: keras.Model, file: MatchedFile, *, task: Task, data: Dataset, split: str
) -> Comparison:
    """Judge the model and the file by `task` on all examples of `split`."""
    with OutputSpool() as spool:
        reference = _Recorded(model, spool)
        before = task.evaluate(reference, data.batches(split, BATCH_SIZE))
        spool.rewind()
        compared = _Compared(file, reference, task)
        after = task.evaluate(compared, data.batches(split, BATCH_SIZE))
    shares = [a.share for a in compared.agreements.values() if a.share is not None]
    return Comparison(
        keras=before,
        tflite=after,
        agreement=min(shares) if shares else None,
        snr_db=compared.quality.snr_db,
    )


class MatchedFile:
    """A runner that takes and gives arrays in the Keras model's order.

    Inputs and outputs are matched by name where the names are the same (a file of
    `convert`), else by position.

    Args:
        runner: The file.
        model: The model that it was made from.

    Raises:
        ParityError: If their number or shapes differ: the file is another model's.
    """

    def __init__(self, runner: Runner, model: keras.Model) -> None:
        known = exporting.interface(model)
        self._runner = runner
        self._inputs = _by_name(runner.input_names, known.inputs)
        self._outputs = _by_name(runner.output_names, known.outputs)
        self.input_names = known.inputs
        wanted = [known.shapes[name] for name in known.inputs]
        given = [runner.input_shapes[i] for i in self._inputs]
        self._refuse("inputs", given, wanted)
        outputs = [tuple(tensor.shape[1:]) for tensor in model.outputs]
        found = [runner.output_shapes[i] for i in self._outputs]
        if not any(None in shape for shape in outputs):
            self._refuse("outputs", found, outputs)

    def __call__(self, x: Any) -> list[Array]:
        """Return the outputs of a batch in the model's order."""
        arrays = named(x, self.input_names)
        ordered = [arrays[name] for name in self.input_names]
        feed = dict(
            zip(
                (self._runner.input_names[i] for i in self._inputs),
                ordered,
                strict=True,
            )
        )
        given = self._runner(feed)
        outputs = given if isinstance(given, list) else [given]
        return [outputs[i] for i in self._outputs]

    def _refuse(self, what: str, given: Sequence[Any], wanted: Sequence[Any]) -> None:
        if list(given) != list(wanted):
            raise errors.ParityError(
                f"The file's {what} are not the model's. Received: {self._runner.name} "
                f"with shapes {list(given)}; the model has {list(wanted)}. Compare the "
                "file with the model that it was converted from."
            )


class _Recorded:
    """The Keras model as a prediction function that keeps its outputs."""

    def __init__(self, model: keras.Model, spool: OutputSpool) -> None:
        self._forward = predictor(model)
        self.spool = spool
        self.structure: Any = None

    def __call__(self, x: Any) -> Any:
        outputs = self._forward(x)
        self.structure = outputs
        self.spool.put(keras.tree.flatten(outputs))
        return outputs


class _Compared:
    """The file as a prediction function that compares itself with what was kept."""

    def __init__(self, file: MatchedFile, reference: _Recorded, task: Task) -> None:
        self._file = file
        self._reference = reference
        self._task = task
        self.quality = SignalQuality()
        self.agreements = {n: Agreement(out) for n, out in task.outputs.items()}

    def __call__(self, x: Any) -> Any:
        structure = self._reference.structure
        expected, actual = self._reference.spool.get(), self._file(x)
        for wanted, given in zip(expected, actual, strict=True):
            self.quality.add(wanted, given)
        packed = keras.tree.pack_sequence_as(structure, actual)
        mine = self._task.by_output(packed)
        theirs = self._task.by_output(keras.tree.pack_sequence_as(structure, expected))
        for name, agreement in self.agreements.items():
            agreement.add(theirs[name], mine[name])
        return packed


def _by_name(given: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return where each wanted name is, or the order as it is if names differ."""
    if len(given) == len(wanted) and set(given) == set(wanted):
        return [given.index(name) for name in wanted]
    return list(range(len(given)))
