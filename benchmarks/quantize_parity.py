"""How alike a quantization-aware model and its file answer, and the runtime itself.

    python -m benchmarks.quantize_parity --cifar10 FOLDER              # all networks
    python -m benchmarks.quantize_parity mobilenet_v2 --cifar10 FOLDER

A file runs on different kernels: XNNPACK's, which are the default, or those that the
runtime has built in.  They round products differently, so one file has two answers, and
how far these are apart bounds what any model of the file can promise.  Here the whole
test part goes through the quantization-aware model and through its file on both
kernels.  The ranges come from 500 training images; nothing is trained.

A network that is in ``benchmarks/results/quantize_parity.json`` is not measured again.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import quantization_figures, reference_nets
from benchmarks import tfmot_baselines as baselines
from benchmarks.timing import environment
from tfcompress import data, files, quantize, tflite
from tfcompress.tflite.signal_quality import snr_db

RESULTS = pathlib.Path(__file__).parent / "results" / "quantize_parity.json"
BATCH_SIZE = 250

Array = np.ndarray[Any, Any]


class BuiltInKernels(tflite.Runner):
    """Runs a file without XNNPACK."""

    def _load(self, num_threads: int) -> Any:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=self._content,
            num_threads=num_threads,
            experimental_op_resolver_type=(
                OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
        interpreter.allocate_tensors()
        return interpreter


def measure(name: str, dataset: data.Dataset) -> dict[str, Any]:
    """Compare one network's three answers, and the float network's."""
    model = reference_nets.load(name)
    aware, _ = quantize.quantize_aware(model)
    quantize.calibrate(aware, baselines.calibration(dataset))
    content = tflite.convert(aware).content
    answers = {
        "float": _answers(data.predictor(model), dataset),
        "model": _answers(data.predictor(aware), dataset),
        "xnnpack": _answers(tflite.Runner(content), dataset),
        "built_in": _answers(BuiltInKernels(content), dataset),
    }
    pairs = [("model", "xnnpack"), ("built_in", "xnnpack"), ("float", "xnnpack")]
    return {
        "num_examples": len(answers["float"]),
        **{
            f"{one}_to_{other}": {
                "agreement": round(_agreement(answers[one], answers[other]), 4),
                "snr_db": round(snr_db(answers[other], answers[one]), 1),
            }
            for one, other in pairs
        },
    }


def _answers(forward: Callable[[Any], Any], dataset: data.Dataset) -> Array:
    batches = dataset.batches("test", BATCH_SIZE)
    return np.concatenate([np.asarray(forward(x)) for x, *_ in batches])


def _agreement(one: Array, other: Array) -> float:
    return float((one.argmax(-1) == other.argmax(-1)).mean())


def main() -> None:
    """Measure the networks that have no result yet."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    options = parser.parse_args()
    record = files.read_json(RESULTS) if RESULTS.exists() else {"networks": {}}
    record["command"] = "python -m benchmarks.quantize_parity --cifar10 FOLDER"
    for name in options.names or reference_nets.NETWORKS:
        if name not in record["networks"]:
            dataset = reference_nets.dataset_of(name, options.cifar10)
            record["networks"][name] = measure(name, dataset)
            files.write_json(RESULTS, record | {"environment": environment()})
    print(quantization_figures.parity_table(record))


if __name__ == "__main__":
    main()
