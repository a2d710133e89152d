"""What quantization covers of every convolutional family in `keras.applications`.

    python -m benchmarks.quantize_families              # resumes: done members are kept
    python -m benchmarks.quantize_families MobileNet    # only these

Each member is built untrained at a small input size, its weights and BatchNorm
statistics are randomised, its ranges are set from eight random images, and it is
converted. Written to ``benchmarks/results/quantize_families.json`` after each member:
whether all of it is integers, the layers that stay in float and why, the operators of
the file, and the file's outputs against the Keras model's in dB.
"""

from __future__ import annotations

import pathlib
import time
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.families import SMALLEST, build_family, check_missing

RESULTS = pathlib.Path(__file__).parent / "results" / "quantize_families.json"
EXAMPLES = 8


def check_member(name: str, recipe: str = "int8") -> dict[str, Any]:
    """Quantize and convert one member."""
    from tests.models import randomise
    from tfcompress import quantize, tflite
    from tfcompress.tflite.signal_quality import snr_db

    started = time.perf_counter()
    model = randomise(build_family(name))
    shape = (EXAMPLES, *model.input_shape[1:])
    images = np.random.default_rng(1).uniform(-1, 1, shape).astype("float32")
    qat_model, report = quantize.quantize_aware(model, recipe)
    quantize.calibrate(qat_model, [images])
    conversion = tflite.convert(qat_model, allow_float_ops=True)
    wanted = np.asarray(qat_model(images))
    given = tflite.Runner(conversion.content)(images)
    return {
        "fully_quantized": report.fully_quantized and not conversion.float_operators,
        "float_layers": dict(Counter(report.float_layers.values())),
        "float_operators": len(conversion.float_operators),
        "operators": dict(conversion.inspection.operator_counts),
        "size_bytes": len(conversion.content),
        "file_to_model_db": round(snr_db(wanted, given), 1),
        "model_to_float_db": round(snr_db(np.asarray(model(images)), wanted), 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Check the members that have no result yet."""
    check_missing(check_member, SMALLEST, RESULTS)


if __name__ == "__main__":
    main()
