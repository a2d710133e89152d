"""An input that may be left out, in every copy of a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.combinations.test_adapted_inputs import COPIES

layers = keras.layers


@keras.saving.register_keras_serializable(package="tests")
class AddIfGiven(layers.Layer):
    """Adds its second argument, if there is one."""

    def call(self, x, y=None):
        return x if y is None else x + y


# Of one input only: models that are reshaped. None of them optional: those of Keras 2.
COPYING = sorted(COPIES.keys() - {"reshaped", "exported"})


@pytest.mark.parametrize("name", COPYING)
def test_it_may_still_be_left_out(name):
    image = keras.Input((8, 8, 3), name="image")
    hint = keras.Input((8, 8, 3), name="hint", optional=True)
    x = layers.Conv2D(8, 3, name="conv")(AddIfGiven()(image, hint))
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(x)
    model = keras.Model([image, hint], layers.Dense(4)(layers.Flatten()(x)))
    copy = COPIES[name](model)
    assert copy is not model
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    for given in ([images, None], [images, images]):
        np.testing.assert_allclose(copy(given), model(given), rtol=1e-5, atol=1e-5)
