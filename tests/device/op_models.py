"""Write small .tflite files of one operator each, for `probe_gpu` to try.

Run once, by hand, with TensorFlow: ``python -m tests.device.op_models op_models.zip``.
The zip is committed, so that the probe and its tests need no TensorFlow.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

IMAGE = (1, 8, 8, 4)
RNG = np.random.default_rng(0)


def weights(*shape: int) -> Any:
    """Return a constant that is not trivial."""
    return tf.constant(RNG.normal(0, 0.5, shape), tf.float32)


KERNEL, DEPTHWISE, DENSE = weights(3, 3, 4, 8), weights(3, 3, 4, 1), weights(4, 6)
IMAGE_CONSTANT, CHANNELS = weights(*IMAGE), weights(4)
nn, raw = tf.nn, tf.raw_ops

# name: (function, shapes of its inputs); float32 and, where that converts, int8.
BOTH: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "conv_2d": (lambda x: nn.conv2d(x, KERNEL, 1, "SAME"), (IMAGE,)),
    "conv_2d_strided": (lambda x: nn.conv2d(x, KERNEL, 2, "VALID"), (IMAGE,)),
    "conv_2d_dilated": (
        lambda x: nn.conv2d(x, KERNEL, 1, "VALID", dilations=2),
        (IMAGE,),
    ),
    "conv_2d_grouped": (
        lambda x: nn.conv2d(x, weights(3, 3, 2, 8), 1, "SAME"),
        (IMAGE,),
    ),
    "depthwise": (
        lambda x: nn.depthwise_conv2d(x, DEPTHWISE, (1, 1, 1, 1), "SAME"),
        (IMAGE,),
    ),
    "transpose_conv": (
        lambda x: nn.conv2d_transpose(x, weights(3, 3, 8, 4), (1, 16, 16, 8), 2),
        (IMAGE,),
    ),
    "conv_3d": (
        lambda x: nn.conv3d(x, weights(2, 2, 2, 4, 4), (1, 1, 1, 1, 1), "SAME"),
        ((1, 4, 4, 4, 4),),
    ),
    "fully_connected": (lambda x: tf.matmul(x, DENSE), ((1, 4),)),
    "fully_connected_batch": (lambda x: tf.matmul(x, DENSE), ((3, 4),)),
    "batch_matmul": (tf.matmul, ((1, 4, 6), (1, 6, 5))),
    "add": (tf.add, (IMAGE, IMAGE)),
    "add_constant": (lambda x: x + CHANNELS, (IMAGE,)),
    "add_rank2": (tf.add, ((3, 4), (3, 4))),
    "add_rank5": (tf.add, ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5))),
    "sub": (tf.subtract, (IMAGE, IMAGE)),
    "mul": (tf.multiply, (IMAGE, IMAGE)),
    "mul_broadcast": (tf.multiply, (IMAGE, (1, 1, 1, 4))),
    "mul_outer": (tf.multiply, ((1, 8, 1, 4), (1, 1, 8, 4))),
    "div": (tf.divide, (IMAGE, IMAGE)),
    "maximum": (tf.maximum, (IMAGE, IMAGE)),
    "minimum": (tf.minimum, (IMAGE, IMAGE)),
    "squared_difference": (tf.math.squared_difference, (IMAGE, IMAGE)),
    "pow": (tf.pow, (IMAGE, IMAGE)),
    "floor_div": (tf.math.floordiv, (IMAGE, IMAGE)),
    "floor_mod": (tf.math.floormod, (IMAGE, IMAGE)),
    "atan2": (tf.math.atan2, (IMAGE, IMAGE)),
    "concatenation": (lambda x, y: tf.concat([x, y], -1), (IMAGE, IMAGE)),
    "concatenation_batch": (lambda x, y: tf.concat([x, y], 0), (IMAGE, IMAGE)),
    "resize_bilinear": (lambda x: tf.image.resize(x, (16, 16)), (IMAGE,)),
    "resize_nearest": (
        lambda x: tf.image.resize(x, (16, 16), method="nearest"),
        (IMAGE,),
    ),
    "average_pool": (lambda x: nn.avg_pool2d(x, 2, 2, "VALID"), (IMAGE,)),
    "max_pool": (lambda x: nn.max_pool2d(x, 2, 2, "VALID"), (IMAGE,)),
    "softmax": (nn.softmax, ((1, 10),)),
    "log_softmax": (nn.log_softmax, ((1, 10),)),
    "logistic": (tf.sigmoid, (IMAGE,)),
    "tanh": (tf.tanh, (IMAGE,)),
    "relu": (nn.relu, (IMAGE,)),
    "relu6": (nn.relu6, (IMAGE,)),
    "leaky_relu": (lambda x: nn.leaky_relu(x, 0.1), (IMAGE,)),
    "prelu": (
        lambda x: tf.maximum(x, 0.0) + CHANNELS * -nn.relu(-x),
        (IMAGE,),
    ),
    "elu": (nn.elu, (IMAGE,)),
    "hard_swish": (lambda x: x * nn.relu6(x + 3.0) * (1.0 / 6.0), (IMAGE,)),
    "gelu": (lambda x: nn.gelu(x, approximate=False), (IMAGE,)),
    "exp": (tf.exp, (IMAGE,)),
    "log": (lambda x: tf.math.log(x), (IMAGE,)),
    "sqrt": (tf.sqrt, (IMAGE,)),
    "rsqrt": (tf.math.rsqrt, (IMAGE,)),
    "square": (tf.square, (IMAGE,)),
    "abs": (tf.abs, (IMAGE,)),
    "neg": (tf.negative, (IMAGE,)),
    "sin": (tf.sin, (IMAGE,)),
    "cos": (tf.cos, (IMAGE,)),
    "floor": (tf.floor, (IMAGE,)),
    "ceil": (tf.math.ceil, (IMAGE,)),
    "round": (tf.round, (IMAGE,)),
    "sign": (tf.sign, (IMAGE,)),
    "mean": (lambda x: tf.reduce_mean(x, (1, 2), keepdims=True), (IMAGE,)),
    "mean_flat": (lambda x: tf.reduce_mean(x, (1, 2)), (IMAGE,)),
    "mean_batch": (lambda x: tf.reduce_mean(x, 0), ((3, 8, 8, 4),)),
    "sum": (lambda x: tf.reduce_sum(x, (1, 2)), (IMAGE,)),
    "reduce_max": (lambda x: tf.reduce_max(x, (1, 2)), (IMAGE,)),
    "reduce_min": (lambda x: tf.reduce_min(x, (1, 2)), (IMAGE,)),
    "reduce_prod": (lambda x: tf.reduce_prod(x, (1, 2)), (IMAGE,)),
    "transpose": (lambda x: tf.transpose(x, (0, 3, 1, 2)), (IMAGE,)),
    "transpose_rank5": (
        lambda x: tf.transpose(x, (0, 2, 1, 4, 3)),
        ((1, 2, 3, 4, 5),),
    ),
    "reshape": (lambda x: tf.reshape(x, (1, 256)), (IMAGE,)),
    "reshape_rank5": (lambda x: tf.reshape(x, (1, 8, 8, 2, 2)), (IMAGE,)),
    "squeeze": (lambda x: tf.squeeze(x, (1, 2)), ((1, 1, 1, 4),)),
    "expand_dims": (lambda x: raw.ExpandDims(input=x, axis=1), ((1, 4),)),
    "pad": (lambda x: tf.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0))), (IMAGE,)),
    "pad_value": (
        lambda x: tf.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)), constant_values=1.5),
        (IMAGE,),
    ),
    "mirror_pad": (
        lambda x: tf.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)), "REFLECT"),
        (IMAGE,),
    ),
    "slice": (lambda x: tf.slice(x, (0, 1, 1, 0), (1, 4, 4, 4)), (IMAGE,)),
    "strided_slice": (lambda x: x[:, 1:7:2, ::2, :], (IMAGE,)),
    "strided_slice_shrink": (lambda x: x[:, 3, :, :], (IMAGE,)),
    "split": (lambda x: tf.split(x, 2, -1), (IMAGE,)),
    "split_sizes": (lambda x: tf.split(x, (1, 3), -1), (IMAGE,)),
    "pack": (lambda x, y: tf.stack((x, y), 1), ((1, 8, 4), (1, 8, 4))),
    "unpack": (lambda x: tf.unstack(x, axis=1), ((1, 2, 8, 4),)),
    "tile": (lambda x: tf.tile(x, (1, 2, 1, 1)), (IMAGE,)),
    "space_to_depth": (lambda x: nn.space_to_depth(x, 2), (IMAGE,)),
    "depth_to_space": (lambda x: nn.depth_to_space(x, 2), (IMAGE,)),
    "space_to_batch": (
        lambda x: tf.space_to_batch(x, (2, 2), ((0, 0), (0, 0))),
        (IMAGE,),
    ),
    "batch_to_space": (
        lambda x: tf.batch_to_space(x, (2, 2), ((0, 0), (0, 0))),
        ((4, 4, 4, 4),),
    ),
    "gather": (lambda x: tf.gather(x, (2, 0, 1), axis=2), (IMAGE,)),
    "gather_nd": (
        lambda x: tf.gather_nd(x, ((0, 1, 2), (0, 3, 4))),
        (IMAGE,),
    ),
    "arg_max": (
        lambda x: tf.argmax(x, -1, output_type=tf.int32),
        ((1, 10),),
    ),
    "arg_min": (
        lambda x: tf.argmin(x, -1, output_type=tf.int32),
        ((1, 10),),
    ),
    "l2_normalization": (lambda x: nn.l2_normalize(x, -1), (IMAGE,)),
    "topk_v2": (lambda x: tf.math.top_k(x, 3), ((1, 10),)),
    "reverse_v2": (lambda x: tf.reverse(x, (1,)), (IMAGE,)),
    "greater": (lambda x, y: tf.cast(x > y, tf.float32), (IMAGE, IMAGE)),
    "select": (lambda x, y: tf.where(x > y, x, y * 2.0), (IMAGE, IMAGE)),
    "broadcast_to": (
        lambda x: tf.broadcast_to(x, IMAGE),
        ((1, 1, 1, 4),),
    ),
}

FLOAT_ONLY: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "local_response_norm": (nn.local_response_normalization, (IMAGE,)),
    "cumsum": (lambda x: tf.cumsum(x, -1), (IMAGE,)),
    "scatter_nd": (lambda x: tf.scatter_nd(((1,), (3,)), x, (5, 4)), ((2, 4),)),
    "where": (lambda x: tf.where(x > 0.5), ((1, 10),)),
    "unique": (lambda x: tf.unique(x)[0], ((10,),)),
    "rfft2d": (lambda x: tf.abs(tf.signal.rfft2d(x)), ((1, 8, 8),)),
    "not_equal": (lambda x, y: tf.cast(x != y, tf.float32), (IMAGE, IMAGE)),
    "logical_and": (
        lambda x, y: tf.cast((x > 0.2) & (y > 0.3), tf.float32),
        (IMAGE, IMAGE),
    ),
    "logical_or": (
        lambda x, y: tf.cast((x > 0.2) | (y > 0.3), tf.float32),
        (IMAGE, IMAGE),
    ),
    "logical_not": (lambda x: tf.cast(~(x > 0.2), tf.float32), (IMAGE,)),
    "reduce_any": (
        lambda x: tf.cast(tf.reduce_any(x > 0.9, (1, 2)), tf.float32),
        (IMAGE,),
    ),
    "cast_int32": (lambda x: tf.cast(tf.cast(x * 9, tf.int32), tf.float32), (IMAGE,)),
    "argmax_int64": (lambda x: tf.argmax(x, -1), ((1, 10),)),
    "one_hot": (
        lambda x: tf.one_hot(tf.argmax(x, -1, output_type=tf.int32), 10),
        ((1, 10),),
    ),
    "embedding": (
        lambda x: tf.gather(DENSE, tf.cast(x, tf.int32)),
        ((3,),),
    ),
    "lstm": (
        lambda x: KERAS["lstm"](x),
        ((1, 5, 4),),
    ),
    "dynamic_batch": (tf.tanh, ((None, 8, 8, 4),)),
}
KERAS: dict[str, Any] = {}


def _examples(shapes: tuple[tuple[int, ...], ...]) -> Callable[[], Any]:
    def make() -> Any:
        for _ in range(8):
            yield [RNG.uniform(0.1, 1, s).astype(np.float32) for s in shapes]

    return make


def convert(
    function: Callable[..., Any], shapes: tuple[Any, ...], recipe: str
) -> bytes:
    """Return a file of the function; recipe is float32, int8, float16 or dynamic."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    concrete = tf.function(function).get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
    if recipe != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe == "int8":
        converter.representative_dataset = _examples(shapes)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def files() -> dict[str, bytes]:
    """Return every model that converts, by its name."""
    KERAS["lstm"] = tf.keras.layers.LSTM(3)
    KERAS["lstm"].build((1, 5, 4))
    wanted = [(n, "float32", *item) for n, item in (BOTH | FLOAT_ONLY).items()]
    wanted += [(n, "int8", *item) for n, item in BOTH.items()]
    for name in ("conv_2d", "fully_connected"):
        wanted += [(name, recipe, *BOTH[name]) for recipe in ("float16", "dynamic")]
    made = {}
    for name, recipe, function, shapes in wanted:
        try:
            made[f"{name}.{recipe}"] = convert(function, shapes, recipe)
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            print(f"{name}.{recipe}: {reason}", file=sys.stderr)  # noqa: T201
    return made


def main(path: str) -> None:
    """Write the zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files().items()):
            info = zipfile.ZipInfo(f"{name}.tflite", (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    with open(path, "wb") as stream:
        stream.write(buffer.getvalue())


if __name__ == "__main__":
    main(sys.argv[1])
