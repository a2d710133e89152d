"""Convert to .tflite, look inside the file, run it, and prove that it is as good.

`convert` writes a file by a recipe, `inspect` reads one without TensorFlow, `Runner`
runs one on arrays, `check_parity` compares it with its Keras model on a whole
evaluation set.  Names load on first use, so that `inspect` and `Runner` start in a
moment and work where TensorFlow is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfcompress import lazy

if TYPE_CHECKING:
    from tfcompress.tflite.conversion import Conversion, convert
    from tfcompress.tflite.gpu_delegation import GpuCompatibility, gpu_compatibility
    from tfcompress.tflite.inspection import Inspection, inspect
    from tfcompress.tflite.parity import ParityReport, check_parity
    from tfcompress.tflite.probing import probe
    from tfcompress.tflite.recipes import RECIPES
    from tfcompress.tflite.running import Runner

_NAMES = {
    "Conversion": "conversion",
    "GpuCompatibility": "gpu_delegation",
    "Inspection": "inspection",
    "ParityReport": "parity",
    "RECIPES": "recipes",
    "Runner": "running",
    "check_parity": "parity",
    "convert": "conversion",
    "gpu_compatibility": "gpu_delegation",
    "inspect": "inspection",
    "probe": "probing",
}

__all__ = [
    "RECIPES",
    "Conversion",
    "GpuCompatibility",
    "Inspection",
    "ParityReport",
    "Runner",
    "check_parity",
    "convert",
    "gpu_compatibility",
    "inspect",
    "probe",
]

__getattr__, __dir__ = lazy.names(__name__, _NAMES)
