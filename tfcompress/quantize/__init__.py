"""Quantization-aware training, and the choice of precision per layer."""

from tfcompress.quantize.bias_correction import BiasReport, correct_biases
from tfcompress.quantize.equalization import EqualizationReport, equalize
from tfcompress.quantize.precision import PRECISIONS, check_precision

__all__ = [
    "PRECISIONS",
    "BiasReport",
    "EqualizationReport",
    "check_precision",
    "correct_biases",
    "equalize",
]
