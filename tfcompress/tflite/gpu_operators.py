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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One operator.

    Args:
        classic: Why the classic delegate does not take it; empty: it does.
        ml_drift: The same of ML Drift.
        wrong: What ML Drift computes wrongly although it takes it.
        hint: How to change the Keras model where one does not.
    """

    classic: str = ""
    ml_drift: str = ""
    wrong: str = ""
    hint: str = ""

    def reason(self, delegate: str) -> str:
        """Return why `delegate` refuses the operator; empty if it takes it."""
        return self.classic if delegate == CLASSIC else self.ml_drift


def _no_classic(hint: str, wrong: str = "") -> Row:
    return Row(classic=_NO, hint=hint, wrong=wrong)


def _no_ml_drift(hint: str, reason: str = _NO) -> Row:
    return Row(ml_drift=reason, hint=hint)


def _neither(hint: str, ml_drift: str = _NO) -> Row:
    return Row(classic=_NO, ml_drift=ml_drift, hint=hint)


_AFTER = "leave it out of the model and compute it on the model's outputs"
_COMPARE = "write the condition as arithmetic on floats, such as a product with a mask"
_SHAPE = "its output has no fixed size: use a mask, or gather a fixed number of items"

# Taken by ML Drift according to its source; no file of the probe has them.
UNTRIED = frozenset(
    [
        "EMBEDDING_LOOKUP",
        "EQUAL",
        "GREATER_EQUAL",
        "LESS",
        "LOGICAL_NOT",
        "PRELU",
        "REDUCE_ALL",
        "RELU_N1_TO_1",
        "SELECT_V2",
    ]
)

ROWS: dict[str, Row] = {
    **dict.fromkeys(
        [
            "ABS",
            "ADD",
            "ATAN2",
            "AVERAGE_POOL_2D",
            "BATCH_MATMUL",
            "CAST",
            "CEIL",
            "CONCATENATION",
            "CONV_2D",
            "COS",
            "DEPTHWISE_CONV_2D",
            "DEPTH_TO_SPACE",
            "DEQUANTIZE",
            "DIV",
            "ELU",
            "EMBEDDING_LOOKUP",
            "EQUAL",
            "EXP",
            "FLOOR",
            "FLOOR_DIV",
            "FLOOR_MOD",
            "FULLY_CONNECTED",
            "GATHER",
            "GELU",
            "GREATER",
            "GREATER_EQUAL",
            "HARD_SWISH",
            "LEAKY_RELU",
            "LESS",
            "LESS_EQUAL",
            "LOG",
            "LOGICAL_AND",
            "LOGISTIC",
            "MAXIMUM",
            "MAX_POOL_2D",
            "MEAN",
            "MINIMUM",
            "MIRROR_PAD",
            "MUL",
            "NEG",
            "NOT_EQUAL",
            "ONE_HOT",
            "PACK",
            "PAD",
            "PADV2",
            "POW",
            "PRELU",
            "QUANTIZE",
            "REDUCE_MAX",
            "REDUCE_MIN",
            "REDUCE_PROD",
            "RELU",
            "RELU6",
            "RELU_N1_TO_1",
            "RESHAPE",
            "RESIZE_BILINEAR",
            "RESIZE_NEAREST_NEIGHBOR",
            "RSQRT",
            "SELECT",
            "SELECT_V2",
            "SIGN",
            "SIN",
            "SLICE",
            "SOFTMAX",
            "SPACE_TO_DEPTH",
            "SPLIT",
            "SPLIT_V",
            "SQRT",
            "SQUARE",
            "SQUARED_DIFFERENCE",
            "STRIDED_SLICE",
            "SUB",
            "SUM",
            "TANH",
            "TILE",
            "TRANSPOSE",
            "TRANSPOSE_CONV",
        ],
        Row(),
    ),
    "ARG_MAX": _no_classic(_AFTER),
    "ARG_MIN": _neither("use argmax(-x) for ML Drift, or " + _AFTER),
    "BATCH_TO_SPACE_ND": _neither(
        "use a Conv2D with dilation_rate and fixed sizes, which needs no such operator"
    ),
    "BROADCAST_TO": _neither("let the arithmetic broadcast, or use keras.ops.tile"),
    "COMPLEX_ABS": _neither(_AFTER),
    "CONV_3D": _neither("use Conv2D on each slice, or a (2+1)-D convolution"),
    "CUMSUM": _no_ml_drift(
        "multiply with a triangular matrix of ones",
        "the accelerator crashes while it compiles a file with this operator",
    ),
    "GATHER_ND": _neither("use keras.ops.take along one axis"),
    "L2_NORMALIZATION": _neither(
        "write x / sqrt(sum(square(x)) + 1e-6), which the converter does not fuse"
    ),
    "LOCAL_RESPONSE_NORMALIZATION": _neither("use BatchNormalization"),
    "LOGICAL_NOT": _no_classic(_COMPARE),
    "LOGICAL_OR": _no_classic(_COMPARE),
    "LOG_SOFTMAX": _neither("give out logits and compute it on the model's outputs"),
    "REDUCE_ALL": _no_classic(_COMPARE),
    "REDUCE_ANY": _no_classic(_COMPARE),
    "REVERSE_V2": _no_classic("gather the reversed indices with keras.ops.take"),
    "RFFT2D": _neither("compute the spectrum before the model"),
    "ROUND": _no_classic("use floor(x + 0.5)"),
    "SCATTER_ND": _neither("multiply with a constant 0/1 matrix"),
    "SPACE_TO_BATCH_ND": _neither(
        "use a Conv2D with dilation_rate and fixed sizes, which needs no such operator"
    ),
    "TOPK_V2": _no_classic(
        _AFTER, "it took the file in the probe and left out one of the largest values"
    ),
    "UNIQUE": _neither(_AFTER, "its output has no fixed size"),
    "UNPACK": _no_classic("use slices x[:, i : i + 1], which keep the axis"),
    "WHERE": _neither(_SHAPE, "its output has no fixed size"),
    "WHILE": _neither("unroll the loop: keras.layers.LSTM(..., unroll=True)"),
}
