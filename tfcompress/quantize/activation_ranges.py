"""The layer that fake-quantizes activations in a range that it learns by watching.

Each end of the range is an exponential moving average of the batches' extremes; the
first batch sets it.  Tensors that must share a scale (the inputs of a concatenation,
say) are quantized by calls of *one* layer: every source has its own average, and the
range covers all of them::

    low = min over sources of low_i,   high = max over sources of high_i

A range that is [0, 0] has not seen any data: then numbers pass unchanged.  One that has
seen nothing but zeros (behind a ReLU that is never active) is used as if it ended at 1:
any range holds them, and with a scale near 0 the runtime refuses the file, which must
compute ``input scale * weight scale / output scale`` below 256.

Source: B. Jacob et al., CVPR 2018, section 3.1.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfcompress.quantize import fake_quant
from tfcompress.quantize.clocks import Clock
from tfcompress.training.replicas import own_copies

LEAST_HIGH = 1e-6  # of a range that saw nothing but zeros; tells it from an unset one
_ZEROS = 1e-5  # a range that reaches no further has seen zeros, or nearly


@keras.saving.register_keras_serializable(package="tfcompress")
class FakeQuantize(keras.layers.Layer):
    """Rounds activations to a per-tensor grid; learns its range while training.

    Args:
        bits: 8 (asymmetric) or 16 (symmetric).
        momentum: Of the moving averages; 0.99 to 0.999.
        sources: How many tensors the range is learned from.
        rectify: Compute ``relu`` first; the range begins at 0.
        max_value: The cap of that ReLU, 6 for ReLU6; None: none.
        recipe: That the model is trained for; None in files that did not say it.
        **settings: ``name`` and others of `keras.layers.Layer`.

    Example:
        >>> layer = FakeQuantize(rectify=True)
        >>> layer(keras.ops.array([-9.0, 0.6, 255.0]), training=True).numpy().tolist()
        [0.0, 1.0, 255.0]
        >>> layer.range()
        (0.0, 255.0)
    """

    def __init__(
        self,
        *,
        bits: int = 8,
        momentum: float = 0.99,
        sources: int = 1,
        rectify: bool = False,
        max_value: float | None = None,
        recipe: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.recipe = recipe
        self.bits, self.momentum, self.sources = bits, float(momentum), sources
        self.rectify, self.max_value = rectify, max_value
        self.clock: Clock | None = None
        self.calibration_rate: float | None = None  # set while `calibrate` runs
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:  # noqa: ARG002 - a scale has no shape
        """Make the averages: lows, then highs, of each source."""
        with own_copies():
            self.ranges = self.add_weight(
                shape=(2, self.sources),
                initializer="zeros",
                trainable=False,
                autocast=False,
                dtype="float32",
                aggregation="mean",
                name="ranges",
            )

    def call(
        self,
        inputs: Any,
        training: Any = None,
        source: int = 0,
        observe: bool = True,  # noqa: FBT001, FBT002 - Keras passes it
        ties: str = "",
    ) -> Any:
        """Quantize; learn first if this is a training step and `observe` is set.

        `ties` says how averages between two numbers are rounded: "away" or "up"; see
        `tfcompress.quantize.fake_quant.break_ties`.
        """
        x = tf.cast(inputs, tf.float32)
        ranges = tf.convert_to_tensor(self.ranges)
        learns = training and observe
        if self.calibration_rate is not None and observe:
            ranges = self._learn(x, ranges, source, self.calibration_rate)
        elif learns and self.clock is None:
            ranges = self._learn(x, ranges, source, 1.0 - self.momentum)
        elif learns and self.clock is not None:
            ranges = tf.cond(
                self.clock.is_over(),
                lambda: ranges,
                lambda: self._learn(x, ranges, source, 1.0 - self.momentum),
            )
        low, high = self._ends(ranges)
        if ties and self.bits == 8:
            x = fake_quant.break_ties(x, low, high, away=ties == "away")
        if learns and self.clock is None:
            result = self._quantized(x, low, high)
        else:
            result = tf.cond(
                high > low,
                lambda: self._quantized(x, low, high),
                lambda: self._rectified(x),
            )
        return tf.cast(result, inputs.dtype)

    def _learn(self, x: Any, ranges: Any, source: int, rate: float) -> Any:
        """Move the averages of one source towards the extremes of `x`."""
        x = tf.stop_gradient(x)
        high = tf.maximum(tf.reduce_max(x), LEAST_HIGH)
        if self.max_value is not None:
            high = tf.minimum(high, self.max_value)
        low = tf.zeros([]) if self.rectify else tf.minimum(tf.reduce_min(x), 0.0)
        seen = tf.stack([low, high])
        old = ranges[:, source]
        moved = tf.where(old[1] > 0, old + rate * (seen - old), seen)
        if self.sources == 1:
            new = moved[:, None]
        else:
            here = tf.one_hot(source, self.sources, on_value=True, off_value=False)
            new = tf.where(here, moved[:, None], ranges)
        self.ranges.assign(new)
        return new

    def _ends(self, ranges: Any) -> tuple[Any, Any]:
        """Return the range that covers all sources, as tensors."""
        low, high = tf.reduce_min(ranges[0]), tf.reduce_max(ranges[1])
        zeros = (high > 0) & (tf.maximum(-low, high) < _ZEROS)
        end = 1.0 if self.max_value is None else min(1.0, self.max_value)
        return low, tf.where(zeros, end, high)

    def _rectified(self, x: Any) -> Any:
        if not self.rectify:
            return x
        x = tf.nn.relu(x)
        return x if self.max_value is None else tf.minimum(x, self.max_value)

    def _quantized(self, x: Any, low: Any, high: Any) -> Any:
        if self.bits == 16:
            return fake_quant.symmetric(self._rectified(x), low, high)
        if self.rectify:
            return fake_quant.rectified(x, high)
        return fake_quant.activations(x, low, high)

    def step(self) -> Any:
        """Return the distance of neighbours on the grid as a tensor; 0 without data."""
        low, high = self._ends(tf.convert_to_tensor(self.ranges))
        return step_of(low, high, self.bits)

    def range(self) -> tuple[float, float]:
        """Return the range, ``(0, 0)`` if it has not seen any data."""
        low, high = self._ends(tf.convert_to_tensor(self.ranges))
        return float(low), float(high)

    def compute_output_shape(self, input_shape: Any, **_: Any) -> Any:
        """Return the shape unchanged."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {
            **super().get_config(),
            "bits": self.bits,
            "momentum": self.momentum,
            "sources": self.sources,
            "rectify": self.rectify,
            "max_value": self.max_value,
            "recipe": self.recipe,
        }


@keras.saving.register_keras_serializable(package="tfcompress")
class FixedFakeQuantize(keras.layers.Layer):
    """Rounds activations whose range is known, such as those of a sigmoid.

    TFLite fixes these: a sigmoid is stored in [0, 255/256], a tanh in [-1, 127/128].

    Args:
        low: The lower end.
        high: The upper end.
        bits: 8 or 16.
        **settings: ``name`` and others of `keras.layers.Layer`.
    """

    def __init__(
        self, *, low: float, high: float, bits: int = 8, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.low, self.high, self.bits = float(low), float(high), bits
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Quantize."""
        x = tf.cast(inputs, tf.float32)
        return tf.cast(fixed(x, self.low, self.high, self.bits), inputs.dtype)

    def step(self) -> Any:
        """Return the distance of neighbours on the grid, as a tensor."""
        return step_of(tf.constant(self.low), tf.constant(self.high), self.bits)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape unchanged."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        own = {"low": self.low, "high": self.high, "bits": self.bits}
        return {**super().get_config(), **own}


def fixed(x: Any, low: float, high: float, bits: int) -> Any:
    """Fake-quantize in a constant range."""
    function = fake_quant.symmetric if bits == 16 else fake_quant.activations
    return function(x, tf.constant(low), tf.constant(high))


def step_of(low: Any, high: Any, bits: int) -> Any:
    """Return the distance of neighbours on the grid of a range, as a tensor."""
    if bits == 16:
        return tf.maximum(-low, high) / 32767.0
    return (high - low) / 255.0


def range_layers(model: keras.Model) -> list[FakeQuantize]:
    """Return the layers that hold a model's learned ranges."""
    layers = model._flatten_layers()  # noqa: SLF001 - no public walk over nested layers
    return [layer for layer in layers if isinstance(layer, FakeQuantize)]
