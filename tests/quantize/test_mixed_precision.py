"""Quantization-aware training in mixed precision, and under Keras' global policy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import randomise
from tests.quantize.nets import images_for, parity, snr_db
from tests.training.networks import blob_arrays, crossentropy
from tfcompress import quantize

layers = keras.layers
X, Y = blob_arrays(160)
SHORT = ["mixed_bfloat16", "mixed_float16"]


@pytest.fixture(autouse=True)
def restored():
    """Give Keras its policy back."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def net():
    """Return a network of convolutions, with and without bias, and a float32 head."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 3), name="image")
    for width in (8, 16):
        x = layers.Conv2D(width, 3, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(4, dtype="float32", name="head")(x))


def mingled():
    """Return a network of operations and of layers that are taken apart."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 3), name="image")
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x))
    y = layers.SeparableConv2D(8, 3, padding="same", activation="silu")(x)
    x = layers.Average()([x, y, keras.ops.silu(y)])
    x = keras.ops.relu(x + y) * 0.5
    x = keras.ops.hard_sigmoid(x) * x
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    x = layers.Conv2D(4, 1, activation="sigmoid")(x)
    return keras.Model(image, [layers.Flatten(name="flat")(x), keras.ops.mean(x, 1)])


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("policy", SHORT)
def test_a_model_of_mixed_precision_trains_and_its_file_answers_alike(
    policy, per_channel
):
    """The policy is the global one all the while, as in a training script."""
    keras.config.set_dtype_policy(policy)
    qat_model, _ = quantize.quantize_aware(net(), per_channel=per_channel)
    qat_model.compile(keras.optimizers.Adam(3e-3), crossentropy())
    stops = [quantize.FreezeBatchNorm(35), quantize.FreezeRanges(35)]
    history = qat_model.fit(X, Y, batch_size=16, epochs=4, verbose=0, callbacks=stops)
    assert history.history["loss"][2] < 0.5 * history.history["loss"][0]
    conversion, quality, same = parity(qat_model, X[:64])
    assert not conversion.float_operators
    assert quality > 25
    assert same > 0.95


@pytest.mark.parametrize("policy", SHORT)
def test_per_tensor_kernels_fold_in_float32(policy):
    """Only products are in 16 bits: without ranges nothing else tells the two apart."""
    plain, _ = quantize.quantize_aware(randomise(net()), per_channel=False)
    keras.config.set_dtype_policy(policy)
    mixed, _ = quantize.quantize_aware(net(), per_channel=False)
    mixed.set_weights(plain.get_weights())
    wanted, given = np.asarray(plain(X)), np.float32(mixed(X))
    assert snr_db(wanted, given) > 35
    for model in (plain, mixed):
        model(X, training=True)
    for one, other in zip(statistics(plain), statistics(mixed), strict=True):
        np.testing.assert_allclose(other, one, rtol=0.01, atol=0.01)


def statistics(model):
    """Return the moving statistics; all but the first follow rounded activations."""
    names = ("moving_mean", "moving_variance")
    return [v.numpy() for v in model.non_trainable_weights if v.name in names]


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("build", [net, mingled])
def test_the_global_policy_leaves_a_float32_model_as_it_is(build, per_channel):
    """Layers that are made keep the type of what they are made of."""
    model, files = build(), []
    for policy in ("float32", *SHORT):
        keras.config.set_dtype_policy(policy)
        qat_model, _ = quantize.quantize_aware(model, per_channel=per_channel)
        quantize.calibrate(qat_model, [images_for(model)])
        exported = quantize.to_convertible(qat_model)
        assert types(qat_model) == types(exported) == {"float32"}
        outputs = keras.tree.flatten(exported(X[:8]))
        files.append([np.asarray(output) for output in outputs])
    for given in files[1:]:
        for one, other in zip(files[0], given, strict=True):
            np.testing.assert_array_equal(one, other)


def types(model):
    """Return what the layers compute in; a layer of inputs computes nothing."""
    inner = model._flatten_layers(include_self=False)
    return {
        one.compute_dtype for one in inner if not isinstance(one, layers.InputLayer)
    }
