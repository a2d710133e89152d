"""Make trained Keras 3 models small and fast enough for phones.

The sub-packages follow a model's path through the toolkit::

    trace - score - plan - surgery - fine-tune/distill - convert - verify - report
    graph/  channels/     graph/     training/ distill/  tflite/            report/

`slimming` trains BatchNorm scales towards zero so that the plan decides itself; `amc`
searches for the plan by reinforcement learning; `sparsity` sets single weights to zero
while training; `pipeline` runs the stages of a workflow; `android_bench` (apart)
measures the file.

Names load on first use, because importing TensorFlow takes seconds and
``tfcompress --help`` must not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfcompress import backend, lazy

if TYPE_CHECKING:
    from tfcompress import (
        amc,
        channels,
        data,
        distill,
        graph,
        interop,
        latency,
        quantize,
        slimming,
        sparsity,
        tflite,
        training,
        zoo,
    )
    from tfcompress.channels import Budget, score, select
    from tfcompress.graph import PruningPlan, cost, mask_model, prune_model, trace

__version__ = "0.1.0"

_SUBPACKAGES = (
    "amc",
    "channels",
    "data",
    "distill",
    "graph",
    "interop",
    "latency",
    "pipeline",
    "quantize",
    "report",
    "slimming",
    "sparsity",
    "tflite",
    "training",
    "zoo",
)
_WITHOUT_KERAS = ("report", "tflite")  # these start where it is not installed
_NAMES = {
    "Budget": "channels",
    "PruningPlan": "graph",
    "cost": "graph",
    "mask_model": "graph",
    "prune_model": "graph",
    "score": "channels",
    "select": "channels",
    "trace": "graph",
}

__all__ = [
    "Budget",
    "PruningPlan",
    "__version__",
    "amc",
    "channels",
    "cost",
    "data",
    "distill",
    "graph",
    "interop",
    "latency",
    "mask_model",
    "pipeline",
    "prune_model",
    "quantize",
    "report",
    "score",
    "select",
    "slimming",
    "sparsity",
    "tflite",
    "trace",
    "training",
    "zoo",
]

_look_up, _ = lazy.names(__name__, _NAMES, modules=_SUBPACKAGES)


def __getattr__(name: str) -> Any:
    """Import a sub-package, or one of the names it lends, on first access (PEP 562)."""
    if name in __all__ and name not in _WITHOUT_KERAS:
        backend.require_tensorflow()
    return _look_up(name)


def __dir__() -> list[str]:
    """List the names before they are imported."""
    return sorted(__all__)
