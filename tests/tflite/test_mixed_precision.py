"""A precision for each layer, in one file: exactly the named layers differ."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import randomise
from tfcompress import errors, tflite
from tfcompress.tflite import coded_names, parsing
from tfcompress.tflite.signal_quality import snr_db

layers = keras.layers


@pytest.fixture(scope="module")
def net():
    """Return a network whose automatic names are as ambiguous as they get.

    Model and first layer are both called conv2d; TensorFlow numbers them to conv2d_1,
    which is the second layer's name.
    """
    x = inputs = keras.Input((10, 10, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2d")(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv2d_1")(x)
    x = layers.ReLU(name="conv2d_1_1")(layers.BatchNormalization(name="norm")(x))
    shared = layers.Conv2D(16, 1, name="conv2d_2")
    x = shared(shared(x))
    y = layers.SeparableConv2D(16, 3, padding="same", name="separable")(x)
    x = layers.Add(name="sum")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return randomise(
        keras.Model(inputs, layers.Dense(4, name="head")(x), name="conv2d")
    )


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).normal(size=(32, 10, 10, 3)).astype("float32")


@pytest.fixture(scope="module")
def convert(net, batch):
    def call(recipe="int8", **options):
        return tflite.convert(net, recipe, calibration=[batch], **options)

    return call


def computing(made):
    """Return each computing operator's first layer name and whether it is in float."""
    return [
        (o.output.split(";")[0].split("/")[0], "float32" in o.input_types)
        for o in made.inspection.operators
        if o.name not in ("QUANTIZE", "DEQUANTIZE")
    ]


def test_exactly_the_named_layers_stay_in_float(convert):
    made = convert(precision={"conv2d_1": "float32", "head": "float32"})

    assert computing(made) == [
        ("conv2d", False),
        ("conv2d_1_1", True),  # fused: conv2d_1, its BatchNorm and its ReLU
        ("conv2d_2", False),
        ("conv2d_2", False),
        ("separable", False),
        ("separable", False),
        ("sum", False),
        ("pool", False),
        ("head", True),
    ]
    assert made.float_operators == ()
    assert len(made.kept_float) == 2


def test_every_operator_of_a_layer_stays_in_float(convert):
    made = convert(precision={"conv2d_2": "float32", "separable": "float32"})

    assert [name for name, is_float in computing(made) if is_float] == [
        "conv2d_2",
        "conv2d_2",
        "separable",
        "separable",
    ]


def test_all_layers_in_float_are_the_model(net, convert, batch):
    names = ["conv2d", "conv2d_1", "conv2d_2", "separable", "sum", "pool", "head"]

    made = convert(precision=dict.fromkeys(names, "float32"))

    got = tflite.Runner(made.content)(batch[:1])
    assert snr_db(np.asarray(net(batch[:1])), got) > 60
    assert all(is_float for _, is_float in computing(made))


@pytest.mark.parametrize("inputs", ["float", "int8"])
def test_a_16_bit_file_keeps_layers_in_float_too(convert, inputs):
    made = convert("int16x8", precision={"conv2d_1": "float32"}, inputs=inputs)

    assert [n for n, is_float in computing(made) if is_float] == ["conv2d_1_1"]
    assert made.inspection.inputs[0].dtype == (
        "float32" if inputs == "float" else "int16"
    )
    assert made.sample_snr_db > 30


def test_float_operators_that_nobody_asked_for_are_still_refused(batch):
    """The layer in float is fine; an operator without an integer kernel is not."""
    x = inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = keras.ops.erf(x)
    model = randomise(keras.Model(inputs, layers.Conv2D(4, 1, name="last")(x)))
    settings = {"calibration": [batch], "precision": {"conv": "float32"}}

    with pytest.raises(errors.ConversionError):
        tflite.convert(model, "int8", **settings)


@pytest.mark.parametrize(
    ("precision", "error", "message"),
    [
        ({"conv2d_3": "float32"}, errors.ConfigError, "Did you mean 'conv2d"),
        ({"head": "float64"}, errors.ConfigError, "Unknown precision"),
        ({"head": "int16x8"}, errors.ConfigError, "cannot hold this precision"),
        ({"sum": "int8_w4"}, errors.ConversionError, "no weights that 4 bits"),
    ],
)
def test_a_map_that_cannot_be_had_is_refused(convert, precision, error, message):
    with pytest.raises(error, match=message):
        convert(precision=precision)


def test_a_layer_without_an_operator_is_refused(batch):
    x = inputs = keras.Input((10, 10, 3))
    x = layers.Dropout(0.5, name="dropout")(layers.Conv2D(4, 3, name="conv")(x))
    model = randomise(keras.Model(inputs, layers.Conv2D(4, 1)(x)))

    with pytest.raises(errors.ConversionError, match="Received: precision with drop"):
        tflite.convert(
            model, "int8", calibration=[batch], precision={"dropout": "float32"}
        )


def test_four_bit_weights_are_stored_two_in_a_byte(net, convert):
    """Each row of the Dense kernel in steps of its largest weight / 7."""
    made = convert(precision={"head": "int8_w4", "conv2d_1": "int8_w4"})

    tensors = parsing.parse(made.content).subgraphs[0].tensors
    low = {tensor.shape: tensor for tensor in tensors if tensor.dtype == "int4"}
    assert set(low) == {(4, 16), (16, 3, 3, 8)}
    assert low[4, 16].data.size == 4 * 16 // 2
    kernel = np.asarray(net.get_layer("head").kernel).T
    scales = np.abs(kernel).max(1) / 7
    np.testing.assert_allclose(low[4, 16].scales, scales, rtol=1e-5)
    bytes_ = low[4, 16].data.astype(np.int16)
    nibbles = np.stack([bytes_ & 15, bytes_ >> 4], -1).reshape(4, 16)
    signed = np.where(nibbles > 7, nibbles - 16, nibbles)
    np.testing.assert_array_equal(signed, np.round(kernel / scales[:, None]))


def test_a_file_of_4_bits_is_half_as_large_and_runs(batch):
    x = inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(64, 3, activation="relu", name="one")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="two")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = randomise(keras.Model(inputs, layers.Dense(5, name="head")(x)))
    settings = {"calibration": [batch]}
    whole = tflite.convert(model, "int8", **settings)

    made = tflite.convert(
        model,
        "int8",
        **settings,
        precision=dict.fromkeys(("one", "two", "head"), "int8_w4"),
    )

    saved = whole.inspection.size_bytes - made.inspection.size_bytes
    weights = 3 * 9 * 64 + 9 * 64 * 64 + 64 * 5
    assert saved == pytest.approx(weights / 2, rel=0.05)
    assert 10 < made.sample_snr_db < whole.sample_snr_db


def test_one_scale_per_tensor(convert):
    made = convert(per_channel=False)

    counts = {len(item.scales) for item in made.inspection.weights}
    assert counts == {1}


def test_codes_tell_layers_apart(net):
    """The first layer's code is not the second's, whatever TensorFlow puts behind."""
    copy = coded_names.coded(net)

    assert copy.names[:2] == ("conv2d", "conv2d_1")
    assert copy.real_name("tfcqm_1/tfcq0z_1/Relu;tfcqm_1/tfcq1z_1_2/BiasAdd") == (
        "conv2d/Relu;conv2d_1/BiasAdd"
    )
    x = np.ones((1, 10, 10, 3), np.float32)
    np.testing.assert_allclose(copy.model(x), net(x), rtol=1e-6)
