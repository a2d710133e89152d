"""Convert to int8, prove that the file is as good as the model, and time it.

Run: python -m examples.convert_and_verify
"""

from __future__ import annotations

import pathlib
import tempfile

import android_bench
from examples.original import dataset, trained
from tfcompress import tflite


def main() -> None:
    """Write float32 and int8 files and compare them."""
    examples = dataset()
    model = trained(examples)
    folder = pathlib.Path(tempfile.mkdtemp())

    plain = tflite.convert(model, path=folder / "float32.tflite")
    small = tflite.convert(
        model,
        "int8",
        calibration=examples.calibration(500),
        path=folder / "int8.tflite",
        metadata={"labels": list(examples.class_names)},
    )
    print(f"{len(plain.content):,} -> {len(small.content):,} bytes")

    parity = tflite.check_parity(model, small, data=examples, max_drop=0.05)
    print(f"int8 {parity.tflite.value:.4f}, Keras {parity.keras.value:.4f} on the test")
    print(f"same answer on {parity.agreement:.2%}, {parity.snr_db:.1f} dB")
    parity.raise_if_failed()

    for name in ("float32", "int8"):
        run = android_bench.benchmark(folder / f"{name}.tflite", max_seconds=2.0)
        print(run.summary())


if __name__ == "__main__":
    main()
