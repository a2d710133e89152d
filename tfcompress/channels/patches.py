"""What each output position of a layer reads, as the rows of a matrix.

A window layer reads, at output position o and tap k, the input position

    convolution               i = o·stride + k·dilation − pad
    transposed convolution    i = (o + pad − k·dilation) / stride, where that is whole

and zero where i lies outside.  `window_table` holds i for every o and k once, so that a
row of any layer, position and rank is one lookup.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress.channels.consumers import DENSE, SEPARABLE, TRANSPOSED, Consumer

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


class Patches:
    """Draws the rows of one consumer from its input, batch by batch.

    Args:
        consumer: The layer.
        positions: Random output positions of each example; all where there are fewer.
        seed: Of the draw; the same seed draws the same positions.
    """

    def __init__(self, consumer: Consumer, *, positions: int, seed: int) -> None:
        self._consumer = consumer
        self._positions = positions
        self._rng = np.random.default_rng([seed, consumer.call.index])

    def draw(self, x: Any, outputs: Sequence[int]) -> tuple[Array, IntArray]:
        """Return the rows that a batch gives, and where they lie.

        Args:
            x: The layer's input, `[batch, *spatial, channels]` or channels first.
            outputs: Shape of its output, batch first.

        Returns:
            Rows ``[blocks, batch · positions, columns]``, float32; and the output
            positions ``[batch, positions]``, counted in row-major order.
        """
        consumer = self._consumer
        given = channels_last(consumer.layer, x)
        if consumer.form == SEPARABLE:
            given = _after_depthwise(consumer.layer, given)
        spatial = list(outputs[1:])
        del spatial[0 if _is_channels_first(consumer.layer) else -1]
        table = _table(consumer, given.shape[1:-1], tuple(spatial))
        chosen = self._choose(len(given), len(table))
        return _split(_gather(given, table[chosen]), consumer.blocks), chosen

    def _choose(self, batch: int, places: int) -> IntArray:
        if places <= self._positions:
            return np.broadcast_to(np.arange(places), (batch, places))
        keys = self._rng.random((batch, places))
        return np.argpartition(keys, self._positions, axis=1)[:, : self._positions]


def window_table(  # noqa: PLR0913 - the geometry of a window, all by keyword
    *,
    inputs: Sequence[int],
    outputs: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    transposed: bool = False,
) -> IntArray:
    """Return the input position that each output position reads at each tap.

    Returns:
        ``[output positions, taps]``, positions counted in row-major order; -1 outside.

    Example:
        >>> window_table(
        ...     inputs=[3], outputs=[3], window=[3], strides=[1], dilation=[1],
        ...     padding="same",
        ... ).tolist()
        [[-1, 0, 1], [0, 1, 2], [1, 2, -1]]
    """
    axis = _transposed_axis if transposed else _axis
    places = np.zeros((1, 1), np.int64)
    inside = np.ones((1, 1), bool)
    for geometry in zip(inputs, outputs, window, strides, dilation, strict=True):
        at, ok = axis(*geometry, padding=padding)
        places = _outer(places * geometry[0], at, np.add)
        inside = _outer(inside, ok, np.logical_and)
    return np.where(inside, places, -1)


def _axis(
    inputs: int, outputs: int, window: int, stride: int, dilation: int, *, padding: str
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    reach = (window - 1) * dilation
    total = max((outputs - 1) * stride + reach + 1 - inputs, 0)
    before = {"same": total // 2, "causal": reach}.get(padding, 0)
    at = np.add.outer(
        np.arange(outputs) * stride - before, np.arange(window) * dilation
    )
    return at, (at >= 0) & (at < inputs)


def _transposed_axis(
    inputs: int, outputs: int, window: int, stride: int, dilation: int, *, padding: str
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    total = max((inputs - 1) * stride + (window - 1) * dilation + 1 - outputs, 0)
    before = total // 2 if padding == "same" else 0
    scaled = np.subtract.outer(
        np.arange(outputs) + before, np.arange(window) * dilation
    )
    at = scaled // stride
    return at, (scaled % stride == 0) & (at >= 0) & (at < inputs)


def _outer(left: Array, right: Array, combine: Any) -> Array:
    """Join two axes: ``[o1, k1]`` and ``[o2, k2]`` to ``[o1 · o2, k1 · k2]``."""
    joined = combine(left[:, None, :, None], right[None, :, None, :])
    return np.asarray(joined.reshape(len(left) * len(right), -1))


_cached_table = functools.lru_cache(maxsize=64)(window_table)


def _table(
    consumer: Consumer, inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> IntArray:
    if consumer.form in (DENSE, SEPARABLE):  # one tap, position for position
        return np.arange(math.prod(outputs))[:, None]
    layer = consumer.layer
    geometry = (layer.kernel_size, layer.strides, layer.dilation_rate)
    window, strides, dilation = map(tuple, geometry)
    return _cached_table(
        inputs=inputs,
        outputs=outputs,
        window=window,
        strides=strides,
        dilation=dilation,
        padding=layer.padding,
        transposed=consumer.form == TRANSPOSED,
    )


def _gather(x: Array, places: IntArray) -> Array:
    """Look up ``[batch, positions, taps]`` in ``[batch, *spatial, c]``, -1 as zero."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    batch = np.arange(len(x))[:, None, None]
    rows = flat[batch, np.maximum(places, 0)]
    rows[places < 0] = 0
    return rows.reshape(-1, *rows.shape[2:])


def _split(rows: Array, blocks: int) -> Array:
    """Cut ``[rows, taps, blocks · c]`` into ``[blocks, rows, taps · c]``."""
    count, taps, channels = rows.shape
    parts = rows.reshape(count, taps, blocks, channels // blocks)
    return np.moveaxis(parts, 2, 0).reshape(blocks, count, -1)


def pick(layer: Any, tensor: Any, chosen: IntArray) -> Array:
    """Return the values at output positions that `Patches.draw` has chosen.

    Args:
        layer: The layer whose output's form the tensor has.
        tensor: Such as its output, `[batch, *spatial, channels]` or channels first.
        chosen: `[batch, positions]`.

    Returns:
        ``[batch · positions, channels]``.
    """
    array = channels_last(layer, tensor)
    flat = array.reshape(len(array), -1, array.shape[-1])
    taken = np.take_along_axis(flat, chosen[:, :, None], axis=1)
    return taken.reshape(-1, array.shape[-1])


def channels_last(layer: Any, tensor: Any) -> Array:
    """Return a tensor that a layer reads or makes as a float32 array, channels last."""
    array = np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)
    return np.moveaxis(array, 1, -1) if _is_channels_first(layer) else array


def _is_channels_first(layer: Any) -> bool:
    return getattr(layer, "data_format", None) == "channels_first"


def _after_depthwise(layer: Any, x: Array) -> Array:
    """Run the first half of a separable convolution."""
    made = keras.ops.depthwise_conv(
        x,
        layer.depthwise_kernel,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        data_format="channels_last",
    )
    return np.asarray(keras.ops.convert_to_numpy(made))
