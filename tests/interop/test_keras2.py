"""Tests of models that go from Keras 2 to Keras 3 and back, outputs equal."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import HealthCheck, given, settings
from keras import ops
from tf_keras import layers

from tests import strategies
from tests.interop import networks
from tests.models import conv_bn_net
from tests.models import randomise as randomise_keras_3
from tfcompress import cost, errors, interop

TOLERANCE = 1e-5


@pytest.mark.parametrize("build", networks.ALL, ids=lambda build: build.__name__)
def test_a_network_goes_there_and_back(build):
    old = networks.randomise(build())
    if build is networks.adapted_normalization:
        old = build()  # its statistics count from `adapt`, not from the variables
    inputs = networks.inputs_of(old)
    wanted = networks.outputs_of(old, inputs)

    new = interop.from_keras2(old)
    back = interop.to_keras2(new)

    assert isinstance(new, keras.Model)
    assert networks.relative_error(networks.outputs_of(new, inputs), wanted) < TOLERANCE
    assert (
        networks.relative_error(networks.outputs_of(back, inputs), wanted) < TOLERANCE
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["MobileNetV2", "ResNet50", "EfficientNetB0", "DenseNet121"]
)
def test_an_application_goes_there_and_back(family, tmp_path):
    build = getattr(tf_keras.applications, family)
    old = networks.randomise(build(weights=None, input_shape=(32, 32, 3), classes=7))
    inputs = networks.inputs_of(old, batch=2)
    wanted = networks.outputs_of(old, inputs)

    new = interop.from_keras2(old)
    models = [new, interop.to_keras2(new)]
    if family == "MobileNetV2":
        new.save(tmp_path / "new.keras")
        models.append(keras.saving.load_model(tmp_path / "new.keras"))

    assert np.ptp(wanted[0]) > 0.01  # the outputs depend on something
    for model in models:
        found = networks.outputs_of(model, inputs)
        assert networks.relative_error(found, wanted) < TOLERANCE
    assert _size(new.trainable_weights) == _size(old.trainable_weights)


def _size(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_hard_sigmoid_keeps_keras_2s_slope():
    """clip(0.2 x + 0.5, 0, 1): 0.7 at 1; Keras 3's own has 0.667 there."""
    old = networks.of((4,), layers.Activation("hard_sigmoid"))
    x = np.array([[-3.0, -1.0, 1.0, 2.6]], np.float32)

    np.testing.assert_allclose(
        interop.from_keras2(old)(x), [[0, 0.3, 0.7, 1]], atol=1e-6
    )


def test_hard_sigmoid_and_hard_silu_of_keras_3_keep_theirs():
    """x / 6 + 0.5 at 1.5 is 0.75, times 1.5 is 1.125."""
    inputs = keras.Input((3,))
    sigmoid = keras.layers.Activation("hard_sigmoid")(inputs)
    silu = keras.layers.Activation("hard_silu")(inputs)
    back = interop.to_keras2(keras.Model(inputs, [sigmoid, silu]))

    sigmoid, silu = back(np.array([[-3.0, 1.5, 6.0]], np.float32))

    np.testing.assert_allclose(sigmoid, [[0, 0.75, 1]], atol=1e-6)
    np.testing.assert_allclose(silu, [[0, 1.125, 6]], atol=1e-6)


def test_an_imported_hard_sigmoid_needs_no_code_of_ours(tmp_path):
    """A file with it loads in a process that never imported tfcompress."""
    old = networks.of((6, 6, 3), lambda x: networks.conv(x, activation="hard_sigmoid"))
    new = interop.from_keras2(old)
    new.save(tmp_path / "new.keras")

    names = [type(layer).__module__ for layer in new.layers]
    assert all(name.startswith("keras.") for name in names)
    assert "tfcompress" not in new.to_json()


def test_leaky_relu_takes_its_slope_along():
    old = networks.of((2,), layers.LeakyReLU(alpha=0.25))
    new = interop.from_keras2(old)

    assert new.layers[-1].negative_slope == 0.25
    np.testing.assert_allclose(new(np.array([[-4.0, 4.0]])), [[-1.0, 4.0]])
    assert interop.to_keras2(new).layers[-1].get_config()["alpha"] == 0.25


def test_a_shared_layer_stays_one_layer_and_a_nested_model_nested():
    shared = interop.from_keras2(networks.shared_layers())
    nested = interop.from_keras2(networks.nested())

    assert sum(isinstance(x, keras.layers.Conv2D) for x in shared.layers) == 1
    assert nested.get_layer("inner").get_layer("conv_bn") is not None
    assert not nested.layers[-1].trainable
    assert len(nested.layers[-1].trainable_variables) == 0


def test_names_structure_and_settings_are_kept():
    old = networks.several_inputs_and_outputs()
    new = interop.from_keras2(old)
    decorated = interop.from_keras2(networks.decorated()).layers[1]

    assert new.name == old.name
    assert [tensor.name for tensor in new.inputs] == ["first", "second"]
    assert set(new.output) == {"size", "shape", "dot"}
    assert decorated.kernel_constraint.max_value == 2
    assert float(decorated.kernel_regularizer.l2) == pytest.approx(0.2)
    assert decorated.kernel_initializer.mode == "fan_out"


def test_an_imported_network_trains_and_can_be_traced():
    old = networks.randomise(networks.convolutions())
    new = interop.from_keras2(old)
    new.compile("sgd", "mse")
    x = networks.inputs_of(old, batch=4)
    new.fit(x, np.zeros((4, *new.output_shape[1:])), verbose=0)

    assert cost(new).params == old.count_params()


def test_the_original_is_left_alone():
    old = networks.randomise(networks.norms())
    before = [weight.copy() for weight in old.get_weights()]

    new = interop.from_keras2(old)
    for variable in new.variables:
        variable.assign(variable + 1)

    for now, then in zip(old.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_mixed_precision_keeps_its_policy():
    dense = layers.Dense(3, dtype=tf_keras.mixed_precision.Policy("mixed_bfloat16"))
    old = networks.of((4,), dense)

    new = interop.from_keras2(old)

    assert new.layers[-1].dtype_policy.name == "mixed_bfloat16"
    assert interop.to_keras2(new).layers[-1].dtype_policy.name == "mixed_bfloat16"


@pytest.mark.slow
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(model=strategies.models())
def test_random_keras_3_models_go_there_and_back(model):
    inputs = strategies.inputs_for(model)
    wanted = strategies.outputs_of(model, inputs)

    there = interop.to_keras2(model)
    back = interop.from_keras2(there)

    given_inputs = inputs if len(inputs) > 1 else inputs[0]
    found = networks.outputs_of(there, given_inputs)
    assert networks.relative_error(found, wanted) < TOLERANCE
    found = networks.outputs_of(back, given_inputs)
    assert networks.relative_error(found, wanted) < TOLERANCE


def test_bare_operations_of_keras_3():
    x = inputs = keras.Input((4, 6, 2))
    y = ops.relu6(x + ops.silu(x)) * ops.sigmoid(x) - 0.5
    a, b = ops.split(y, 2, axis=1)
    y = ops.concatenate([ops.swapaxes(a, 1, 2), ops.reshape(b, (-1, 6, 2, 2))], axis=-1)
    more = [ops.mean(x, axis=(1, 2)), ops.clip(x, -1, 1), ops.expand_dims(x[:, 0], 1)]
    more += [ops.hard_silu(x), ops.maximum(x, ops.tanh(x)), ops.pad(x, ((0, 0),) * 4)]
    more += [ops.einsum("bhwc,bhwd->bhcd", x, x), ops.leaky_relu(x, 0.1), x**2.0]
    model = keras.Model(inputs, [y, *more])
    data = np.random.default_rng(0).normal(size=(3, 4, 6, 2)).astype("float32")

    found = networks.outputs_of(interop.to_keras2(model), data)

    assert networks.relative_error(found, networks.outputs_of(model, data)) < TOLERANCE


def test_an_addition_becomes_a_layer_that_tfmot_knows():
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(3)(x) + keras.layers.Dense(3)(x))

    kinds = [type(layer).__name__ for layer in interop.to_keras2(model).layers]

    assert kinds.count("Add") == 1


def test_nested_models_are_inlined_on_the_way_out():
    inner = conv_bn_net()
    inputs = keras.Input((12, 12, 3))
    model = randomise_keras_3(keras.Model(inputs, inner(inputs)))
    data = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype("float32")

    back = interop.to_keras2(model)

    assert not any(isinstance(layer, tf_keras.Model) for layer in back.layers)
    found = networks.outputs_of(back, data)
    assert networks.relative_error(found, networks.outputs_of(model, data)) < TOLERANCE


def scaled(base):
    """Return a custom layer of Keras 2 or Keras 3."""

    class Scaled(base):
        def __init__(self, factor=1.0, **settings):
            super().__init__(**settings)
            self.factor = factor

        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(input_shape[-1],))

        def call(self, x):
            return x * self.scale * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    return Scaled


Scaled, Scaled3 = scaled(layers.Layer), scaled(keras.layers.Layer)


def custom_model():
    return networks.randomise(
        networks.of((4,), lambda x: layers.Dense(2)(Scaled(3.0, name="scaled")(x)))
    )


@pytest.mark.parametrize("file", [None, "old.h5", "old.keras"])
@pytest.mark.filterwarnings("ignore")  # Keras 2 warns of the legacy format
def test_a_custom_layer_with_its_keras_3_class(file, tmp_path):
    old = custom_model()
    source = old
    if file:
        source = tmp_path / file
        old.save(source)
    x = networks.inputs_of(old)

    new = interop.from_keras2(source, custom_objects={"Scaled": Scaled3})

    assert isinstance(new.get_layer("scaled"), Scaled3)
    assert new.get_layer("scaled").factor == 3.0
    found = networks.outputs_of(new, x)
    assert networks.relative_error(found, networks.outputs_of(old, x)) < TOLERANCE


def test_a_custom_layer_on_the_way_out():
    old = custom_model()
    new = interop.from_keras2(old, custom_objects={"Scaled": Scaled3})
    x = networks.inputs_of(old)

    back = interop.to_keras2(new, custom_objects={"Scaled": Scaled})

    found = networks.outputs_of(back, x)
    assert networks.relative_error(found, networks.outputs_of(old, x)) < TOLERANCE


def test_an_operation_with_a_function_of_the_users():
    old = networks.of((4,), lambda x: tf.math.cumsum(x, axis=1))
    known = {"tf.math.cumsum": lambda x, axis: ops.cumsum(x, axis=axis)}

    new = interop.from_keras2(old, custom_objects=known)

    np.testing.assert_allclose(new(np.ones((1, 4))), [[1, 2, 3, 4]])


def test_a_lambda_of_a_live_model_is_handed_on():
    old = networks.of((2,), layers.Lambda(lambda x, by: x * by, arguments={"by": 3.0}))

    new = interop.from_keras2(old)

    np.testing.assert_allclose(new(np.ones((1, 2))), [[3.0, 3.0]])
    np.testing.assert_allclose(interop.to_keras2(new)(np.ones((1, 2))), [[3.0, 3.0]])


def refused(function, *args, **kwargs) -> str:
    """Return the one line that refuses the call."""
    with pytest.raises(errors.ModelError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert "Received: " in message
    return message


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda x: Scaled(name="mine")(x), "'mine'.*custom_objects={'Scaled'"),
        (lambda x: tf.math.cumsum(x), "tf.math.cumsum"),
        (lambda x: tf.reshape(x, [2 * tf.shape(x)[0], 2]), "cannot be replayed"),
        (
            lambda x: layers.LocallyConnected1D(2, 2)(layers.Reshape((4, 1))(x)),
            "LocallyConnected1D",
        ),
        (lambda x: layers.BatchNormalization(axis=[1, 2])(x[:, None]), "over one axis"),
        (
            lambda x: layers.LSTM(2, time_major=True)(layers.Reshape((4, 1))(x)),
            "time_major=True",
        ),
    ],
)
def test_what_has_no_counterpart_in_keras_3(build, said):
    message = refused(interop.from_keras2, networks.of((4,), build))

    assert re.search(said, message)
    assert "custom_objects" in message


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda x: Scaled3(name="mine")(x), "'mine'"),
        (lambda x: ops.cumsum(x, axis=1), "Cumsum"),
        (lambda x: keras.layers.RMSNormalization()(x), "RMSNormalization"),
        (lambda x: keras.layers.Activation("sparsemax", name="a")(x), "'sparsemax'"),
    ],
)
def test_what_has_no_counterpart_in_keras_2(build, said):
    inputs = keras.Input((4,))
    message = refused(interop.to_keras2, keras.Model(inputs, build(inputs)))

    assert said in message
    assert "custom_objects" in message


def test_a_custom_object_of_the_wrong_keras():
    message = refused(
        interop.from_keras2, custom_model(), custom_objects={"Scaled": Scaled}
    )
    assert "subclass of keras.layers.Layer" in message

    new = interop.from_keras2(custom_model(), custom_objects={"Scaled": Scaled3})
    message = refused(interop.to_keras2, new, custom_objects={"Scaled": Scaled3})
    assert "subclass of tf_keras.layers.Layer" in message


def test_custom_weights_that_do_not_fit():
    class Other(Scaled3):
        def build(self, input_shape):
            self.other = self.add_weight(name="other", shape=(input_shape[-1],))

        def call(self, x):
            return x * self.other

    message = refused(
        interop.from_keras2, custom_model(), custom_objects={"Scaled": Other}
    )

    assert "'scaled' with scale" in message
    assert "other" in message


def test_what_is_no_keras_2_model():
    class Subclassed(tf_keras.Model):
        def call(self, x):
            return x

    assert "Keras 3 model already" in refused(interop.from_keras2, conv_bn_net())
    assert "not a Keras 2 model" in refused(interop.from_keras2, 3)
    assert "no graph" in refused(interop.from_keras2, Subclassed())
    assert "interop.from_keras2" in refused(interop.to_keras2, custom_model())
