"""Layers that stay in float compute in float in the file, and only they."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.quantize.nets import conv, images_for, layers, parity, ranged, snr_db, wired
from tfcompress import errors, quantize, tflite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs"),
]


@keras.saving.register_keras_serializable(package="tests")
class Product(layers.Layer):
    """A custom layer of one matrix product."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 6), name="kernel")

    def call(self, inputs):
        return inputs @ self.kernel


SKIPPED = {
    "conv": lambda: layers.Conv2D(6, 3, name="left"),
    "one_by_one": lambda: layers.Conv2D(6, 1, name="left"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, name="left"),
    "separable": lambda: layers.SeparableConv2D(6, 3, name="left"),
    "dense": lambda: layers.Dense(6, name="left"),
    "product": lambda: Product(name="left"),
    "einsum": lambda: layers.EinsumDense(
        "abcd,de->abce", output_shape=(None, None, 6), name="left"
    ),
}


def network(layer):
    """In which 8 bits of the layer's kernel would lose all that it computes.

    One input channel is always 0, so its huge weights only coarsen a shared grid.
    """
    model = wired(lambda x: conv(layer(conv(x, 6, activation="relu"))))
    before = next(one for one in model.layers if one.weights)
    kernel, bias = before.get_weights()
    kernel[..., 0], bias[0] = 0.0, -1.0
    before.set_weights([kernel, bias])
    kernel, *rest = layer.get_weights()
    kernel[..., 0, :] = 100.0
    layer.set_weights([kernel, *rest])
    return model


# The runtime's kernels of 4-bit weights round otherwise than those that we round like.
LEAST_DB = {"int8": 45, "int8_w4": 35, "int16x8": 45}


@pytest.mark.parametrize("recipe", LEAST_DB)
@pytest.mark.parametrize("name", SKIPPED)
def test_a_skipped_layer_is_in_float_in_the_file(name, recipe):
    """Converted without being allowed any other float operator."""
    model = network(SKIPPED[name]())
    qat_model, report = ranged(model, recipe, skip=["left"])
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert set(report.float_layers) == {"left"}
    assert quality > LEAST_DB[recipe]
    assert conversion.float_operators == ()
    computing = [
        operator
        for operator in conversion.inspection.operators
        if operator.float_tensors and operator.name not in ("QUANTIZE", "DEQUANTIZE")
    ]
    assert computing
    assert {operator.index for operator in computing} <= set(conversion.kept_float)
    assert "CAST" not in conversion.inspection.operator_counts


def test_a_skipped_transposed_convolution_has_a_kernel_of_8_bits():
    """Its numbers are floats, but so the converter stores it whatever one does."""
    model = wired(lambda x: conv(layers.Conv2DTranspose(6, 3, name="left")(conv(x))))
    qat_model, _ = ranged(model, skip=["left"])
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert quality > 30
    assert conversion.kept_float


def test_a_precision_map_reaches_the_file():
    """That of `mixed` too: it names float32."""
    model = network(layers.Conv2D(6, 3, name="left"))
    qat_model, _ = ranged(model, precision={"left": "float32"})
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert quality > 45
    assert conversion.kept_float


def test_a_layer_without_an_integer_form_is_refused_unless_allowed():
    """Nobody asked for it."""
    model = network(Product(name="left"))
    qat_model, report = ranged(model)
    assert "no integer form" in report.float_layers["left"]
    with pytest.raises(errors.ConversionError, match="stay in floating point"):
        tflite.convert(qat_model)
    conversion, quality, _ = parity(
        qat_model, images_for(model, 8, seed=1), allow_float_ops=True
    )
    assert quality > 45
    assert any("left" in operator for operator in conversion.float_operators)


def test_two_readers_in_float_and_one_in_integers():
    """What all of them read is in the file once, in integers."""

    def build(x):
        x = conv(x, activation="relu")
        one, two = (layers.Dense(4, name=name)(x) for name in ("left", "right"))
        return layers.Add()([one, two, conv(x)])

    model = wired(build)
    qat_model, _ = ranged(model, skip=["left", "right"])
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert quality > 45
    assert conversion.float_operators == ()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softmax"])
def test_a_skipped_layer_that_ends_in_a_known_range_is_rounded_once(activation):
    """Not to the range that integers have it in first."""

    def build(x):
        x = layers.Flatten()(conv(x))
        return layers.Dense(3)(layers.Dense(6, activation=activation, name="left")(x))

    model = wired(build, seed=1)
    qat_model, _ = ranged(model, skip=["left"])
    _, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert quality > 45


@pytest.mark.parametrize("custom_first", [True, False])
def test_only_what_was_named_needs_no_leave(custom_first):
    """A custom layer reads the same numbers, or what a skipped layer has made."""

    def build(x):
        x = conv(x, 6, activation="relu")
        if custom_first:
            terms = [Product(name="own")(x), conv(x, 6, name="left")]
        else:
            terms = [conv(x, 6, name="left"), Product(name="own")(x)]
        return conv(layers.Add()(terms))

    model = wired(build)
    qat_model, _ = ranged(model, skip=["left"])
    with pytest.raises(errors.ConversionError, match=r"FULLY_CONNECTED .*own") as found:
        tflite.convert(qat_model)
    assert "CONV_2D" not in str(found.value)


def test_what_follows_a_skipped_layer_needs_leave_of_its_own():
    model = wired(lambda x: conv(Product(name="own")(conv(conv(x), name="left"))))
    qat_model, _ = ranged(model, skip=["left"])
    with pytest.raises(errors.ConversionError, match=r"FULLY_CONNECTED .*own") as found:
        tflite.convert(qat_model)
    assert "left" not in str(found.value)


def test_a_skipped_layer_at_an_output_is_not_rounded_there():
    """Only what integers read of it is."""

    def build(x):
        x = layers.Dense(6, name="left")(conv(x, activation="relu"))
        return [x, layers.Dense(3)(layers.GlobalAveragePooling2D()(conv(x)))]

    model = wired(build)
    qat_model, _ = ranged(model, skip=["left"])
    conversion = tflite.convert(qat_model)
    images = images_for(model, 8, seed=1)
    given = tflite.Runner(conversion.content)(images)
    for one, other in zip(qat_model(images), given, strict=True):
        assert snr_db(np.asarray(one), other) > 45


def test_a_skipped_layer_that_does_nothing_leaves_nothing():
    model = wired(lambda x: layers.Dropout(0.1, name="left")(layers.Dense(3)(conv(x))))
    qat_model, _ = ranged(model, skip=["left"])
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert quality > 45
    assert conversion.float_operators == ()
    assert "CAST" not in conversion.inspection.operator_counts
    assert [one.name for one in conversion.inspection.outputs] == ["left"]


def test_a_saved_model_has_its_borders(tmp_path):
    model = network(layers.Conv2D(6, 3, name="left"))
    qat_model, _ = ranged(model, skip=["left"])
    qat_model.save(tmp_path / "qat.keras")
    loaded = keras.models.load_model(tmp_path / "qat.keras")
    conversion, quality, _ = parity(loaded, images_for(model, 8, seed=1))
    assert quality > 45
    assert conversion.kept_float


def test_integers_as_inputs_stay_what_they_are():
    """A Rescaling of bytes is in float; so is one that is to be left alone."""
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = conv(layers.Rescaling(1 / 255.0, name="rescaling")(image))
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    pixels = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    qat_model, report = quantize.quantize_aware(model)
    quantize.calibrate(qat_model, [pixels])
    conversion = tflite.convert(qat_model, allow_float_ops=True)
    assert report.float_layers == {"rescaling": "its tensors are no floats"}
    given = tflite.Runner(conversion.content)(pixels)
    assert snr_db(np.asarray(qat_model(pixels)), given) > 45


def test_a_skipped_rescaling():
    model = wired(lambda x: conv(layers.Rescaling(2.0, 0.5, name="left")(x)))
    qat_model, _ = ranged(model, skip=["left"])
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert quality > 45
    assert "DEPTHWISE_CONV_2D" not in conversion.inspection.operator_counts
