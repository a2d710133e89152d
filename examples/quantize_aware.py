"""Quantization-aware training: train with the file's rounding, convert without data.

Run: python -m examples.quantize_aware
"""

from __future__ import annotations

from examples.original import EPOCHS, accuracy, dataset, trained
from tfcompress import quantize, tflite


def main() -> None:
    """Train for int8 and for 4-bit weights, and compare the files with the models."""
    examples = dataset()
    model = trained(examples)
    print(f"float: {accuracy(model, examples)}")

    for recipe in ("int8", "int8_w4"):
        config = quantize.QuantizeConfig(recipe=recipe, epochs=EPOCHS)
        result = quantize.train_quantized(model, examples, config=config)
        conversion = tflite.convert(result.model)  # the scales are trained: no data
        report = tflite.check_parity(
            result.model, conversion, data=examples, max_drop=0.05
        )
        print(result.report)
        found = report.tflite
        size = len(conversion.content)
        print(f"{recipe}: {found.metric} {found.value:.4f} on the test, {size:,} bytes")


if __name__ == "__main__":
    main()
