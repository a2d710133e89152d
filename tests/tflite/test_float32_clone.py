import keras
import numpy as np
import pytest

from tests import models
from tfcompress import errors, tflite
from tfcompress.tflite.float32_clone import as_float32, needs_float32


@pytest.fixture
def mixed():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inner = models.conv_bn_net(logits=True)
        inputs = keras.Input((12, 12, 3), name="image")
        outputs = keras.layers.Activation("softmax", dtype="float32", name="top")(
            inner(inputs)
        )
        return models.randomise(keras.Model(inputs, outputs, name="mixed"))
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_float32_model_is_returned_as_it_is(net):
    """No copy is made where none is needed."""
    assert as_float32(net) is net


def test_the_twin_computes_in_float32_with_the_same_weights(mixed, images):
    """Nested layers too; the model itself stays mixed."""
    twin = as_float32(mixed)
    assert needs_float32(mixed)
    assert not needs_float32(twin)
    assert twin.get_layer("conv_bn_net").get_layer("conv1").compute_dtype == "float32"
    for old, new in zip(mixed.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_allclose(twin(images), mixed(images), atol=0.02)


def test_a_mixed_model_converts(mixed, images):
    """The file agrees with the mixed model as far as float16 does."""
    conversion = tflite.convert(mixed)
    assert conversion.inspection.tensor_types.keys() <= {"float32", "int32"}
    actual = tflite.Runner(conversion.content)(images)
    np.testing.assert_allclose(actual, mixed(images), atol=0.02)


@pytest.mark.slow
def test_float16_weights_become_float32():
    """A model whose weights are float16 converts as well."""
    inputs = keras.Input((4,), name="x", dtype="float16")
    dense = keras.layers.Dense(3, dtype="float16")
    model = models.randomise(keras.Model(inputs, dense(inputs)))
    twin = as_float32(model)
    assert {str(weight.dtype) for weight in twin.get_weights()} == {"float32"}
    assert tflite.convert(model).sample_snr_db > 40


def test_custom_layers_need_no_registration():
    """A layer class of the user's own module is found."""
    inputs = keras.Input((4,), name="x")
    layer = Doubled(dtype="mixed_float16")
    twin = as_float32(keras.Model(inputs, layer(inputs)))
    np.testing.assert_allclose(twin(np.ones((1, 4))), 2 * np.ones((1, 4)))


def test_a_layer_without_config_is_an_error():
    """The message says how to go on."""
    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, Closed(3, dtype="mixed_float16")(inputs), name="m")
    with pytest.raises(errors.ConversionError, match=r"Received: m .*get_config\(\)"):
        as_float32(model)


class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2


class Closed(keras.layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self._auto_config = None

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"name": self.name, "secret": 1}
