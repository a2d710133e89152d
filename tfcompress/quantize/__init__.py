"""Quantization that is trained or searched for, before the converter's own.

`quantize_aware` makes a model that trains with the rounding of an integer recipe; plain
``fit`` trains it, and `tfcompress.tflite.convert` writes the file without calibration.
"""

from tfcompress.quantize.aware import is_quantized, quantize_aware, recipe_of
from tfcompress.quantize.calibrating import calibrate
from tfcompress.quantize.exporting import to_convertible
from tfcompress.quantize.reports import QuantizeReport

__all__ = [
    "QuantizeReport",
    "calibrate",
    "is_quantized",
    "quantize_aware",
    "recipe_of",
    "to_convertible",
]
