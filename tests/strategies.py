"""Hypothesis strategies for small random models and plans."""

from __future__ import annotations

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers

from tests.models import randomise
from tfcompress.graph import LayerGraph, PruningPlan

WIDTHS = st.sampled_from([2, 3, 4, 6])


class GraphBuilder:
    """Grows a random functional model from drawn decisions.

    Convolutions are unpadded unless `padded` is set: then constants fold exactly
    everywhere, so that a pruned model can be compared position by position.
    """

    def __init__(self, draw: st.DrawFn, *, padded: bool) -> None:
        self.draw = draw
        self.padding = "same" if padded else "valid"
        self.padded = padded

    def kernel(self) -> int:
        return self.draw(st.sampled_from([1, 3])) if self.padded else 1

    def conv(self, x, filters=None, *, bias=None):
        return layers.Conv2D(
            filters or self.draw(WIDTHS),
            self.kernel(),
            padding=self.padding,
            use_bias=self.draw(st.booleans()) if bias is None else bias,
        )(x)

    def activation(self, x):
        return self.draw(
            st.sampled_from(
                [
                    layers.ReLU,
                    lambda: layers.ReLU(6.0),
                    lambda: layers.Activation("silu"),
                    lambda: layers.Activation("hard_sigmoid"),
                    lambda: layers.PReLU(shared_axes=[1, 2]),
                    lambda: layers.LeakyReLU(0.1),
                ]
            )
        )()(x)

    def block(self, x):
        kind = self.draw(
            st.sampled_from(
                [
                    "chain",
                    "residual",
                    "concat",
                    "depthwise",
                    "gate",
                    "grouped",
                    "separable",
                    "pool",
                    "operator",
                    "shared",
                    "nested",
                ]
            )
        )
        return getattr(self, kind)(x)

    def chain(self, x):
        return self.activation(layers.BatchNormalization()(self.conv(x)))

    def residual(self, x):
        width = x.shape[-1]
        y = self.activation(self.conv(x))
        y = layers.BatchNormalization()(self.conv(y, width))
        merge = self.draw(
            st.sampled_from(
                [layers.Add, layers.Average, layers.Maximum, layers.Subtract]
            )
        )
        return merge()([self.conv(x, width), y])

    def concat(self, x):
        y = layers.Concatenate()([self.chain(x), self.conv(x), x])
        return layers.BatchNormalization()(y)

    def depthwise(self, x):
        multiplier = self.draw(st.sampled_from([1, 2]))
        y = layers.DepthwiseConv2D(
            self.kernel(), padding=self.padding, depth_multiplier=multiplier
        )(x)
        return self.activation(layers.BatchNormalization()(y))

    def gate(self, x):
        width = x.shape[-1]
        y = layers.GlobalAveragePooling2D(keepdims=self.draw(st.booleans()))(x)
        if len(y.shape) == 2:
            y = layers.Reshape((1, 1, width))(y)
        y = layers.Conv2D(2, 1, activation="relu")(y)
        y = layers.Conv2D(width, 1, activation="sigmoid")(y)
        return layers.Multiply()([x, y])

    def grouped(self, x):
        x = self.conv(x, 4)
        return layers.Conv2D(
            self.draw(st.sampled_from([4, 8])),
            self.kernel(),
            padding=self.padding,
            groups=self.draw(st.sampled_from([2, 4])),
        )(x)

    def separable(self, x):
        return layers.SeparableConv2D(
            self.draw(WIDTHS), self.kernel(), padding=self.padding, activation="relu"
        )(x)

    def pool(self, x):
        if x.shape[1] < 4:
            return x
        kind = self.draw(
            st.sampled_from([layers.MaxPooling2D, layers.AveragePooling2D])
        )
        return kind(2, padding=self.draw(st.sampled_from(["same", "valid"])))(x)

    def operator(self, x):
        y = self.conv(x, x.shape[-1])
        return self.draw(
            st.sampled_from([lambda a, b: a + b, lambda a, b: a * 0.5 - b / 3.0])
        )(self.conv(x, x.shape[-1]), y)

    def shared(self, x):
        width = self.draw(WIDTHS)
        layer = layers.Conv2D(width, 1, use_bias=False)
        left, right = self.conv(x, 3), self.conv(x, 3)
        return layers.Add()([layer(left), layer(right)])

    def nested(self, x):
        inner = keras.Input(x.shape[1:])
        return keras.Model(inner, self.chain(inner))(x)


@st.composite
def models(draw: st.DrawFn, *, padded: bool = True) -> keras.Model:
    """Draw a small network of one to four blocks with one or two inputs and outputs."""
    grow = GraphBuilder(draw, padded=padded)
    inputs = [keras.Input((6, 6, 3))]
    x = grow.conv(inputs[0])
    if draw(st.booleans()):
        inputs.append(keras.Input((6, 6, 2)))
        x = layers.Concatenate()([x, grow.conv(inputs[1])])
    for _ in range(draw(st.integers(1, 4))):
        x = grow.block(x)
    flat = draw(st.booleans())
    vector = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    outputs = [
        layers.Dense(3, activation=draw(st.sampled_from([None, "softmax"])))(vector)
    ]
    if draw(st.booleans()):
        outputs.append(layers.Conv2D(2, 1)(x))
    model = keras.Model(
        inputs if len(inputs) > 1 else inputs[0],
        outputs if len(outputs) > 1 else outputs[0],
    )
    return randomise(model, seed=draw(st.integers(0, 2**16)))


def random_plan(graph: LayerGraph, ratio: float, seed: int = 0) -> PruningPlan:
    """Remove about `ratio` of the channels of every group, at random."""
    rng = np.random.default_rng(seed)
    keep = {}
    for group in graph.groups:
        count = max(1, round(group.size * (1 - ratio)))
        keep[group.name] = np.sort(rng.choice(group.size, count, replace=False))
    return PruningPlan.of(graph, keep)


def inputs_for(model: keras.Model, batch: int = 2, seed: int = 0) -> list[np.ndarray]:
    """Return random inputs for a model, at its own shapes."""
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(batch, *tensor.shape[1:])).astype("float32")
        for tensor in model.inputs
    ]


def outputs_of(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run a model and list its outputs as arrays."""
    given = inputs if len(inputs) > 1 else inputs[0]
    made = keras.tree.flatten(model(given, training=False))
    return [keras.ops.convert_to_numpy(tensor) for tensor in made]


def relative_error(got: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """Return the largest error over the outputs, relative to their largest value."""
    return max(
        float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) + 1e-12))
        for a, b in zip(got, wanted, strict=True)
    )
