"""Layers that are called at several places compute in the file what they should."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.quantize.nets import conv, images_for, layers, parity, ranged, snr_db, wired
from tfcompress import graph, quantize
from tfcompress.quantize.normalization import FreezableBatchNormalization

pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")

KERNELS = {
    "conv": (lambda: layers.Conv2D(4, 3, padding="same"), (8, 8, 4)),
    "dense": (lambda: layers.Dense(4), (8, 8, 4)),
    "depthwise": (lambda: layers.DepthwiseConv2D(3, padding="same"), (8, 8, 4)),
    "conv_1d": (lambda: layers.Conv1D(4, 3, padding="same"), (16, 4)),
    "depthwise_1d": (lambda: layers.DepthwiseConv1D(3, padding="same"), (16, 4)),
}
GRIDS = {
    "four_bits": ({"recipe": "int8_w4"}, "int4", 4, 38),
    "one_scale_of_four_bits": (
        {"recipe": "int8_w4", "per_channel": False}, "int4", 1, 38
    ),
    "one_scale": ({"recipe": "int8", "per_channel": False}, "int8", 1, 50),
    "one_scale_of_16_bits": (
        {"recipe": "int16x8", "per_channel": False}, "int8", 1, 80
    ),
}  # fmt: skip

IN_BOTH = {
    "norm": layers.BatchNormalization,
    "hard_sigmoid": lambda: layers.Activation("hard_sigmoid"),
    "silu": lambda: layers.Activation("silu"),
}


def weights_of(conversion):
    """Return the type and the number of scales of each kernel in a file."""
    kernels = (one for one in conversion.inspection.weights if len(one.shape) > 1)
    return {(one.dtype, len(one.scales)) for one in kernels}


def twice(layer):
    return lambda x: layer(layers.ReLU()(layer(x)))


@pytest.mark.slow
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_at_two_places_keeps_its_grid(name, grid):
    """The converter does not find another one for it."""
    (make, shape), (settings, dtype, scales, least) = KERNELS[name], GRIDS[grid]
    model = wired(twice(make()), shape)
    qat_model, _ = ranged(model, **settings)
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert weights_of(conversion) == {(dtype, scales)}
    assert quality > least


@pytest.mark.slow
def test_equal_kernels_of_two_layers_keep_their_grids():
    """To the converter they are one."""
    one, other = (layers.Conv2D(4, 3, padding="same") for _ in range(2))
    model = wired(lambda x: other(layers.ReLU()(one(x))))
    other.set_weights(one.get_weights())
    qat_model, _ = ranged(model, "int8_w4")
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert weights_of(conversion) == {("int4", 4)}
    assert quality > 38


@pytest.mark.slow
def test_a_kernel_and_its_norm_at_two_places_keep_their_scale():
    """They are folded into one layer, which is called twice."""
    shared, norm = layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()
    model = wired(lambda x: norm(shared(layers.ReLU()(norm(shared(x))))))
    qat_model, _ = ranged(model, per_channel=False)
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert weights_of(conversion) == {("int8", 1)}
    assert quality > 45


@pytest.mark.slow
def test_a_shared_kernel_is_stored_once():
    """Of 64 x 64 x 9 weights in 4 bits, 18,432 bytes."""

    def size(times):
        shared = layers.Conv2D(64, 3, padding="same")

        def build(x):
            for _ in range(times):
                x = shared(x)
            return x

        model = wired(build, (4, 4, 64))
        return len(parity(ranged(model, "int8_w4")[0], images_for(model, 2))[0].content)

    assert size(3) - size(1) < 9_000


def in_both(layer, *, float_first):
    """Call a layer once behind a convolution in float and once behind another."""

    def build(x):
        names = ("left", "c") if float_first else ("c", "left")
        for name in names:
            x = layer(conv(x, name=name))
        return layers.Conv2D(3, 1)(x)

    return build


@pytest.mark.slow
@pytest.mark.parametrize("float_first", [True, False])
@pytest.mark.parametrize("name", IN_BOTH)
def test_a_layer_may_be_in_float_here_and_in_integers_there(name, float_first):
    """No other float operator has to be allowed, whichever is called first."""
    model = wired(in_both(IN_BOTH[name](), float_first=float_first))
    qat_model, _ = ranged(model, skip=["left"])
    images = images_for(model, 8, seed=1)
    conversion, quality, _ = parity(qat_model, images)
    assert conversion.float_operators == ()
    assert quality > 45
    assert snr_db(np.asarray(model(images)), np.asarray(qat_model(images))) > 22


@pytest.mark.slow
def test_a_norm_in_both_is_one_layer_and_survives_saving(tmp_path):
    """So that both places learn the same factors."""
    norm = layers.BatchNormalization(name="norm")
    model = wired(in_both(norm, float_first=True))
    qat_model, _ = ranged(model, skip=["left"])
    assert len(qat_model.trainable_weights) == len(model.trainable_weights)
    qat_model.save(tmp_path / "qat.keras")
    loaded = keras.models.load_model(tmp_path / "qat.keras")
    conversion, quality, _ = parity(loaded, images_for(model, 8, seed=1))
    assert conversion.float_operators == ()
    assert quality > 45


def test_a_norm_of_an_older_file_is_read():
    """Whether it is in float was a setting of it."""
    config = {**FreezableBatchNormalization(name="norm").get_config(), "in_float": True}
    assert FreezableBatchNormalization.from_config(config).name == "norm"


@pytest.mark.parametrize("in_float", [True, False])
def test_an_output_keeps_its_name_where_its_layer_is_two(in_float):
    """The other one gets a name that no layer has."""
    gate = layers.Activation("hard_sigmoid", name="gate")
    x = keras.Input((8, 8, 4), name="gate_")
    names = ("c", "left") if in_float else ("left", "c")
    y = x
    for name in names:
        y = gate(conv(y, name=name))
    qat_model, _ = quantize.quantize_aware(keras.Model(x, y), skip=["left"])
    assert graph.output_names(qat_model) == ["gate"]
    assert "gate__" in {layer.name for layer in qat_model.layers}
