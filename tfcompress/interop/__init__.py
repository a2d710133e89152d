"""Models of other toolkits, in and out.

`from_keras2` and `to_keras2` carry models between Keras 2 (``tf_keras``) and Keras 3,
`import_file` does it for files;
`tfmot_quantize` and `tfmot_prune` run TensorFlow Model Optimization on a Keras 3 model.
Names load on first use; Keras 2 and TFMOT are imported inside the calls only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfcompress import lazy

if TYPE_CHECKING:
    from tfcompress.interop.file_import import import_file
    from tfcompress.interop.keras2 import from_keras2, to_keras2
    from tfcompress.interop.tfmot import TfmotResult, tfmot_prune, tfmot_quantize

_NAMES = {
    "TfmotResult": "tfmot",
    "from_keras2": "keras2",
    "import_file": "file_import",
    "tfmot_prune": "tfmot",
    "tfmot_quantize": "tfmot",
    "to_keras2": "keras2",
}

__all__ = [
    "TfmotResult",
    "from_keras2",
    "import_file",
    "tfmot_prune",
    "tfmot_quantize",
    "to_keras2",
]

__getattr__, __dir__ = lazy.names(__name__, _NAMES)
