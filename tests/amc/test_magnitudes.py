"""Tests of `tfcompress.amc.magnitudes`: which weights become zero."""

from __future__ import annotations

import keras
import numpy as np

from tests.amc.nets import dense_chain
from tfcompress import graph
from tfcompress.amc.magnitudes import Magnitudes, SparseLayer, find_sparse_layers

L = keras.layers


def test_of_equal_weights_the_first_go_first():
    """All of magnitude 1: the first three of the list."""
    layer_graph = dense_chain(2, inputs=2)
    layer_graph.model.get_layer("a").kernel.assign([[1.0, -1.0], [1.0, 1.0]])
    entry = SparseLayer(layer="a", variables=("kernel",), size=4, most=3)
    masks = Magnitudes(layer_graph, [entry]).masks([3])
    assert masks["a", "kernel"].tolist() == [[False, False], [False, True]]


def test_the_kernels_of_one_layer_are_one_list():
    """A separable convolution whose depthwise half is small loses that first."""
    image = keras.Input((4, 4, 2))
    x = L.SeparableConv2D(3, 1, use_bias=False, name="both")(image)
    model = keras.Model(image, L.Conv2D(2, 1, name="head")(x))
    model.get_layer("both").depthwise_kernel.assign(np.full((1, 1, 2, 1), 0.1))
    model.get_layer("both").pointwise_kernel.assign(
        np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    )
    layer_graph = graph.trace(model)
    both, head = find_sparse_layers(layer_graph)
    assert (both.size, both.most, head.size) == (8, 6, 6)
    magnitudes = Magnitudes(layer_graph, [both])
    kernels = magnitudes.masked(magnitudes.masks([3]))
    assert kernels["both", "depthwise_kernel"].ravel().tolist() == [0.0, 0.0]
    assert kernels["both", "pointwise_kernel"].ravel().tolist() == [0, 2, 3, 4, 5, 6]


def test_a_layer_that_is_called_twice_is_listed_once():
    """It has one kernel."""
    image = keras.Input((4,))
    shared = L.Dense(4, use_bias=False, name="shared")
    model = keras.Model(image, L.Dense(2, name="head")(shared(shared(image))))
    layers = find_sparse_layers(graph.trace(model))
    assert [(entry.layer, entry.size) for entry in layers] == [
        ("shared", 16),
        ("head", 8),
    ]
