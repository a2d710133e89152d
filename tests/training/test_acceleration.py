"""The twin shares the model and trains it as Keras would."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net
from tests.training.networks import (
    blob_arrays,
    copy_of,
    crossentropy,
    depthwise_net,
    flat,
)
from tfcompress import errors, training
from tfcompress.training import fused


def nested_net():
    """Build a net with a nested model, called twice, and a frozen BatchNorm in it."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(name="inner_bn"),
            keras.layers.ReLU(),
        ],
        name="inner",
    )
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1)(x)
    x = inner(x) + inner(x)
    x = keras.layers.BatchNormalization(name="frozen_bn", trainable=False)(x)
    x = keras.layers.Dropout(0.0)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def fit(model, *, steps=6, rate=0.05):
    x, y = blob_arrays(32 * steps)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), crossentropy())
    model.fit(x, y, batch_size=32, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    "make",
    [lambda: conv_bn_net((8, 8, 3), classes=4, logits=True), depthwise_net, nested_net],
)
def test_trains_the_models_own_weights(make):
    """A few steps of the twin change the model as its own fit would."""
    model, plain = make(), make()
    before = flat(model)
    fit(training.accelerate(model))
    fit(plain)
    assert np.abs(flat(model) - before).max() > 1e-2
    np.testing.assert_allclose(flat(model), flat(plain), atol=2e-4)


def test_batch_norms_are_fused_everywhere():
    """Also in nested models."""
    twin = training.accelerate(nested_net())
    found = [
        layer
        for layer in twin._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(found) == 2
    assert all(isinstance(layer, fused.FusedCall) for layer in found)


def test_flags_and_regularisers_are_kept():
    """Frozen layers stay frozen; a regulariser set on a variable counts."""
    model = nested_net()
    model.get_layer("inner").get_layer(
        "inner_bn"
    ).gamma.regularizer = keras.regularizers.L1(0.5)
    model.layers[1].kernel.constraint = keras.constraints.NonNeg()
    frozen = model.get_layer("frozen_bn").get_weights()
    flags = [layer.trainable for layer in model._flatten_layers()]
    twin = training.accelerate(model)
    assert [v.path for v in twin.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
    fit(twin)
    assert flags == [layer.trainable for layer in model._flatten_layers()]
    for value, expected in zip(
        model.get_layer("frozen_bn").get_weights(), frozen, strict=True
    ):
        np.testing.assert_array_equal(value, expected)
    assert float(np.sum(twin.losses)) == pytest.approx(float(np.sum(model.losses)))
    assert np.asarray(model.layers[1].kernel).min() >= 0


@pytest.mark.parametrize("frozen", ["model", "nested model"])
def test_a_frozen_model_stays_frozen(frozen):
    """Sharing layers must not reset `trainable`."""
    model = nested_net()
    (model if frozen == "model" else model.get_layer("inner")).trainable = False
    twin = training.accelerate(model)
    count = len(model.trainable_variables)
    assert len(twin.trainable_variables) == count
    assert (count == 0) == (frozen == "model")


def test_leaves_no_trace_on_the_model():
    """No node is recorded on the layers of the given model."""
    model = nested_net()

    def nodes():
        layers = [*model._flatten_layers(), *model.operations]
        return [(len(o._inbound_nodes), len(o._outbound_nodes)) for o in layers]

    before, config = nodes(), model.to_json()
    training.accelerate(model)
    assert nodes() == before
    assert model.to_json() == config


def test_saving_the_twin_saves_the_plain_model(tmp_path):
    """The file loads without this package; weights files fit either model."""
    model = conv_bn_net((8, 8, 3), classes=4, logits=True)
    twin = training.accelerate(model)
    fit(twin)
    twin.save(tmp_path / "twin.keras")
    loaded = keras.models.load_model(tmp_path / "twin.keras")
    kinds = {type(layer).__module__.split(".")[0] for layer in loaded.layers}
    assert kinds == {"keras"}
    np.testing.assert_array_equal(flat(loaded), flat(model))
    twin.save_weights(tmp_path / "twin.weights.h5")
    other = copy_of(model)
    other.load_weights(tmp_path / "twin.weights.h5")
    np.testing.assert_array_equal(flat(other), flat(model))


def test_a_compiled_model_gives_a_compiled_twin():
    """Both share optimizer and its state."""
    model = conv_bn_net((8, 8, 3), classes=4, logits=True)
    model.compile("adam", crossentropy(), metrics=["accuracy"])
    twin = training.accelerate(model)
    x, y = blob_arrays(32)
    twin.fit(x, y, verbose=0)
    assert twin.optimizer is model.optimizer
    assert int(model.optimizer.iterations) == 1
    assert "accuracy" in model.evaluate(x, y, verbose=0, return_dict=True)


def test_computes_in_half_precision_when_asked():
    """Variables and outputs stay float32."""
    model = conv_bn_net((8, 8, 3), classes=4, logits=True)
    twin = training.accelerate(model, precision="mixed_bfloat16")
    x, _ = blob_arrays(4)
    half, full = np.asarray(twin(x)), np.asarray(model(x))
    assert half.dtype == np.float32
    assert 0 < np.abs(half - full).max() < 0.1
    assert model.get_layer("conv0").compute_dtype == "float32"
    assert twin.get_layer("conv0").kernel is model.get_layer("conv0").kernel


class Hidden(keras.Model):
    def call(self, inputs):
        return inputs


def test_refuses_a_subclassed_model():
    """The message says what to do."""
    with pytest.raises(errors.ModelError, match=r"'hidden'.*keras.Model\(inputs"):
        training.accelerate(Hidden(name="hidden"))


def test_refuses_an_unbuilt_model():
    """The message says how to build it."""
    with pytest.raises(errors.ModelError, match=r"not built.*model\.build"):
        training.accelerate(keras.Sequential([keras.layers.Dense(2)]))


class Runner:
    """Trains one model over 50 steps, again and again from the same beginnings."""

    def __init__(self, model, optimizer, *, accelerated):
        self.model = model
        self.fitted = training.accelerate(model) if accelerated else model
        self.fitted.compile(optimizer, crossentropy())
        optimizer.build(self.fitted.trainable_variables)
        self.first_slots = [v.numpy() for v in optimizer.variables]

    def weights_after(self, start, seed, order=None):
        """Return the weights; the examples of each batch come in the given order."""
        x, y = blob_arrays(320, seed=seed)
        self.model.set_weights(start)
        for slot, value in zip(
            self.fitted.optimizer.variables, self.first_slots, strict=True
        ):
            slot.assign(value)
        draws, shuffles = np.random.default_rng(seed), np.random.default_rng(order)
        for _ in range(50):
            batch = draws.choice(len(x), 32, replace=False)
            batch = batch if order is None else shuffles.permutation(batch)
            self.fitted.train_on_batch(x[batch], y[batch])
        return flat(self.model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda seed: conv_bn_net((8, 8, 3), classes=4, logits=True, seed=seed),
        depthwise_net,
    ],
)
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        lambda: keras.optimizers.Adam(1e-3),
    ],
)
def test_is_as_near_to_keras_as_keras_to_itself(make, optimizer):
    """After 50 steps the weights differ by no more than with reordered batches.

    A reordered batch sums the same numbers in another order, so it shows what rounding
    alone does; the median over three beginnings leaves out the rare run in which one
    rounding flips a ReLU.
    """
    plain = Runner(make(0), optimizer(), accelerated=False)
    twin = Runner(make(0), optimizer(), accelerated=True)
    ours, theirs = [], []
    for seed in range(3):
        start = make(seed).get_weights()
        reference = plain.weights_after(start, seed)
        ours.append(np.linalg.norm(twin.weights_after(start, seed) - reference))
        for order in (1, 2):
            other = plain.weights_after(start, seed, order)
            theirs.append(np.linalg.norm(other - reference))
    assert np.median(ours) <= max(theirs), (ours, theirs)


def test_a_train_step_that_the_twin_lacks_is_told(caplog):
    """A class made from inputs and outputs alone is the twin's class as well."""

    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    class Named(Own):
        def __init__(self, inputs, outputs, purpose):
            super().__init__(inputs, outputs)
            self.purpose = purpose

    net = conv_bn_net()
    training.accelerate(Own(net.inputs, net.outputs))
    assert caplog.text == ""
    training.accelerate(Named(net.inputs, net.outputs, "test"))
    assert "train_step of its class Named" in caplog.text
