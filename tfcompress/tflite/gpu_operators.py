"""Which operators the two GPU delegates take: one row each.

- *Classic*: TensorFlow Lite's GPU delegate (OpenCL and OpenGL), as in TensorFlow up to
  2.18. Source: its own check, ``tensorflow/lite/tools/versioning/gpu_compatibility.cc``
  at commit 03a5e4e1. Read, not run.
- *ML Drift*: LiteRT's GPU accelerator. Source: the accelerator itself, ai-edge-litert
  2.3.0 with the WebGPU backend on a software Vulkan driver; a device test repeats it
  operator by operator (`tests/device/probe_gpu.py`).

A row says why a delegate leaves an operator to the CPU; an empty text means that it
takes it, within the limits of `gpu_rules`. An operator without a row is not known to
either.
"""

from __future__ import annotations

import dataclasses

CLASSIC = "classic"
ML_DRIFT = "ml_drift"
DELEGATES = {
    CLASSIC: "TensorFlow Lite GPU delegate, TensorFlow 2.18 (from its source)",
    ML_DRIFT: "ML Drift, ai-edge-litert 2.3.0 (tried, WebGPU backend)",
}
CHECKED_VERSION = "2.3.0"  # of ai-edge-litert, which the probe ran

_NO = "the operator is not supported"
_CRASH = "the accelerator crashes while it compiles a file with this operator"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One operator.

    Args:
        classic: Why the classic delegate does not take it; empty: it does.
        ml_drift: The same of ML Drift.
        hint: How to change the Keras model where one does not.
    """

    classic: str = ""
    ml_drift: str = ""
    hint: str = ""

    def reason(self, delegate: str) -> str:
        """Return why `delegate` refuses the operator; empty if it takes it."""
        return self.classic if delegate == CLASSIC else self.ml_drift


_BOTH = Row()


def _no_classic(hint: str) -> Row:
    return Row(classic=_NO, hint=hint)


def _no_ml_drift(hint: str, reason: str = _NO) -> Row:
    return Row(ml_drift=reason, hint=hint)


def _neither(hint: str) -> Row:
    return Row(classic=_NO, ml_drift=_NO, hint=hint)


_MASK = "use a product with a 0/1 mask, such as x * (x > 0) as ReLU, instead"
_AFTER = "leave it out of the model and compute it on the outputs"

ROWS: dict[str, Row] = {
    **dict.fromkeys(
        """ABS ADD ATAN2 AVERAGE_POOL_2D BATCH_MATMUL CAST CEIL CONCATENATION CONV_2D
        COS DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EMBEDDING_LOOKUP EQUAL
        EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL
        HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGISTIC MAXIMUM
        MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW
        PRELU QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RESHAPE
        RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SELECT_V2 SIGN SIN SLICE
        SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE
        STRIDED_SLICE SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV""".split(),
        _BOTH,
    ),
}
