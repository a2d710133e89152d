"""Look at the layers, give each a precision, repair the biases, compare the files.

Run: python -m examples.quantize_without_training
"""

from __future__ import annotations

from examples.original import dataset, trained
from tfcompress import quantize, tflite


def main() -> None:
    """Write files with 4-bit weights: all layers, repaired, and a mixed choice."""
    examples = dataset()
    model = trained(examples)

    found = quantize.sensitivity(model, examples, precision="int8_w4")
    for layer in found.layers:
        print(f"{layer.layer} alone in 4 bits: {layer.snr_db:.1f} dB")

    everywhere = dict.fromkeys(quantize.quantized_layers(model), "int8_w4")
    chosen = quantize.mixed(
        model, examples, recipe="int8_w4", rank_by="kl", max_drop=0.05, found=found
    )
    print(f"in 8 bits: {', '.join(chosen.raised) or 'none'}")

    for name, precision, repaired in (
        ("4 bits", everywhere, False),
        ("4 bits, biases corrected", everywhere, True),
        ("mixed, biases corrected", chosen, True),
    ):
        file = tflite.convert(
            model,
            "int8",
            calibration=examples.calibration(500),
            precision=precision,
            correct_bias=repaired,
        )
        parity = tflite.check_parity(model, file, data=examples)
        print(f"{name}: {len(file.content):,} bytes, {parity.tflite.value:.4f}")


if __name__ == "__main__":
    main()
