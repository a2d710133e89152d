"""Quantization-aware training, and the choice of precision per layer."""

from tfcompress.quantize.bias_correction import BiasReport, correct_biases
from tfcompress.quantize.equalization import EqualizationReport, equalize
from tfcompress.quantize.mixed import MixedPrecision, mixed
from tfcompress.quantize.precision import (
    PRECISIONS,
    check_precision,
    quantized_layers,
    read_map,
)
from tfcompress.quantize.sensitivity import LayerSensitivity, Sensitivity, sensitivity

__all__ = [
    "PRECISIONS",
    "BiasReport",
    "EqualizationReport",
    "LayerSensitivity",
    "MixedPrecision",
    "Sensitivity",
    "check_precision",
    "correct_biases",
    "equalize",
    "mixed",
    "quantized_layers",
    "read_map",
    "sensitivity",
]
