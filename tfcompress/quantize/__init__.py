"""Quantization that is trained or searched for, before the converter's own.

`quantize_aware` makes a model that trains with the rounding of an integer recipe; plain
``fit`` trains it, and `tfcompress.tflite.convert` writes the file without calibration.
"""

from tfcompress.quantize.aware import is_quantized, quantize_aware, recipe_of
from tfcompress.quantize.calibrating import calibrate
from tfcompress.quantize.exporting import to_convertible
from tfcompress.quantize.freezing import FreezeBatchNorm, FreezeRanges
from tfcompress.quantize.method import QuantizeResult, train_quantized
from tfcompress.quantize.reports import QuantizeReport
from tfcompress.quantize.settings import QuantizeConfig

__all__ = [
    "FreezeBatchNorm",
    "FreezeRanges",
    "QuantizeConfig",
    "QuantizeReport",
    "QuantizeResult",
    "calibrate",
    "is_quantized",
    "quantize_aware",
    "recipe_of",
    "to_convertible",
    "train_quantized",
]
