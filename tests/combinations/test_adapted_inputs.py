"""A model that normalises its inputs by statistics of the data, in every copy of it.

`keras.layers.Normalization` calls with constants made of its variables, which a copy
of the variables alone leaves at 0 and 1.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfcompress import graph, quantize, slimming, sparsity
from tfcompress.graph import loading
from tfcompress.interop import exporting
from tfcompress.tflite.float32_clone import as_float32
from tfcompress.training import arms

layers = keras.layers


@pytest.fixture
def images(rng):
    return rng.normal(3.0, 2.0, (32, 8, 8, 3)).astype("float32")


@pytest.fixture
def model(images):
    return network(images)


def network(images, shape=(8, 8, 3)):
    statistics = layers.Normalization(name="statistics")
    statistics.adapt(images)
    x = image = keras.Input(shape, name="image")
    x = layers.Conv2D(8, 3, name="conv", use_bias=False)(statistics(x))
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(x)
    return keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def pruned(model):
    layer_graph = graph.trace(model)
    return graph.prune_model(layer_graph, graph.PruningPlan.full(layer_graph))[0]


def masked(model):
    layer_graph = graph.trace(model)
    return graph.mask_model(layer_graph, graph.PruningPlan.full(layer_graph))


def sparse(model):
    return sparsity.prune_low_magnitude(model, sparsity.constant(0.0))


def aware(model):
    return quantize.quantize_aware(model)[0]


COPIES = {
    "pruned": pruned,
    "masked": masked,
    "sparse": sparse,
    "stripped": lambda model: sparsity.strip(sparse(model)),
    "slimming": lambda model: slimming.regularize_scales(model, strength=1e-4),
    "exported": exporting.copied,
    "reshaped": lambda model: loading.with_input_shape(model, (8, 8, 3)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_computes_the_same(name, images):
    shape = (None, None, 3) if name == "reshaped" else (8, 8, 3)
    original = network(images, shape)
    copy = COPIES[name](original)
    assert copy is not original
    np.testing.assert_allclose(copy(images), original(images), rtol=1e-5, atol=1e-6)


def test_a_quantization_aware_copy_computes_nearly_the_same(model, images):
    copy = aware(model)
    quantize.calibrate(copy, [images])
    np.testing.assert_allclose(copy(images), model(images), atol=0.05)


def test_a_float32_twin_of_a_mixed_model_computes_nearly_the_same(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = network(images)
    finally:
        keras.config.set_dtype_policy("float32")
    twin = as_float32(mixed)
    assert twin is not mixed
    np.testing.assert_allclose(twin(images), np.float32(mixed(images)), atol=0.05)


def test_training_from_scratch_keeps_the_statistics(model, images):
    """The weights are new; what the data are is not."""
    fresh = arms.reinitialise(model, seed=3)
    wanted = model.get_layer("statistics")(images)
    np.testing.assert_array_equal(fresh.get_layer("statistics")(images), wanted)
    kernels = [m.get_layer("conv").get_weights()[0] for m in (model, fresh)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01
