"""A small network, and a measurement that is arithmetic."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Sequence

import keras
import pytest

from tfcompress import graph
from tfcompress.latency import Conditions
from tfcompress.tflite import inspect


def small_network() -> keras.Model:
    """Return conv - BN - ReLU - depthwise - BN - (+) - pool - Dense - softmax."""
    layers = keras.layers
    x = image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(32, 3, padding="same", use_bias=False, name="stem")(x)
    x = shortcut = layers.ReLU(name="stem_relu")(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Conv2D(32, 1, name="project")(x)
    x = layers.ReLU(name="add_relu")(layers.Add(name="add")([x, shortcut]))
    x = layers.Conv2D(48, 1, activation="relu", name="wide")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(5, activation="softmax", name="head")(x))


@pytest.fixture(scope="session")
def layer_graph() -> graph.LayerGraph:
    return graph.trace(small_network())


@pytest.fixture
def conditions() -> Conditions:
    return Conditions(
        target="fake", where="host", recipe="float32", num_threads=1, delegate="cpu"
    )


class FakeMeasure:
    """A machine on which a MAC takes a nanosecond and so does each written number.

    Attributes:
        calls: How many files each call was given.
        fail_after: Raise instead of answering after so many calls.
    """

    def __init__(self, fail_after: int | None = None) -> None:
        self.calls: list[int] = []
        self.fail_after = fail_after

    def __call__(self, paths: Sequence[pathlib.Path]) -> list[float]:
        if self.fail_after is not None and len(self.calls) >= self.fail_after:
            raise KeyboardInterrupt
        self.calls.append(len(paths))
        return [fake_ms(path) for path in paths]


def fake_ms(path: pathlib.Path) -> float:
    """Return the milliseconds that the fake machine takes for a file."""
    found = inspect(path)
    written = sum(math.prod(operator.output_shape) for operator in found.operators)
    return (found.macs + written) * 1e-6
