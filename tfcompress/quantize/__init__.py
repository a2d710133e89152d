"""Quantization that is trained or searched for, before the converter's own.

`quantize_aware` makes a model that trains with the rounding of an integer recipe; plain
``fit`` trains it, and `tfcompress.tflite.convert` writes the file without calibration.
Without training, `equalize` and `correct_biases` prepare a model for the converter, and
`sensitivity` and `mixed` choose a precision per layer.
"""

from tfcompress.quantize.aware import (
    is_quantized,
    quantize_aware,
    recipe_of,
    weight_bits_of,
)
from tfcompress.quantize.bias_correction import BiasReport, correct_biases
from tfcompress.quantize.calibrating import calibrate
from tfcompress.quantize.equalization import EqualizationReport, equalize
from tfcompress.quantize.exporting import to_convertible
from tfcompress.quantize.freezing import FreezeBatchNorm, FreezeRanges
from tfcompress.quantize.method import QuantizeResult, train_quantized
from tfcompress.quantize.mixed import MixedPrecision, mixed
from tfcompress.quantize.precision import (
    PRECISIONS,
    check_precision,
    quantized_layers,
    read_map,
)
from tfcompress.quantize.reports import QuantizeReport
from tfcompress.quantize.sensitivity import LayerSensitivity, Sensitivity, sensitivity
from tfcompress.quantize.settings import QuantizeConfig

__all__ = [
    "PRECISIONS",
    "BiasReport",
    "EqualizationReport",
    "FreezeBatchNorm",
    "FreezeRanges",
    "LayerSensitivity",
    "MixedPrecision",
    "QuantizeConfig",
    "QuantizeReport",
    "QuantizeResult",
    "Sensitivity",
    "calibrate",
    "check_precision",
    "correct_biases",
    "equalize",
    "is_quantized",
    "mixed",
    "quantize_aware",
    "quantized_layers",
    "read_map",
    "recipe_of",
    "sensitivity",
    "to_convertible",
    "train_quantized",
    "weight_bits_of",
]
