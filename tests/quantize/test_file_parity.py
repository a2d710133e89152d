"""The file computes what the quantization-aware model does, operator by operator."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from tests import models
from tests.quantize.nets import (
    agreement,
    conv,
    images_for,
    layers,
    parity,
    ranged,
    snr_db,
    wired,
)
from tests.training.networks import blobs
from tfcompress import data, errors, quantize, tflite, training, zoo
from tfcompress.tflite.running import Runner

pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")

IMAGES = {
    "relu": lambda x: conv(x, activation="relu"),
    "relu_capped": lambda x: layers.ReLU(1.5)(conv(x)),
    "silu": lambda x: conv(x, activation="silu"),
    "hard_silu": lambda x: conv(x, activation="hard_silu"),
    "hard_sigmoid": lambda x: conv(x, activation="hard_sigmoid"),
    "sigmoid_inside": lambda x: conv(conv(x, activation="sigmoid")),
    "tanh_inside": lambda x: conv(conv(x, activation="tanh")),
    "gelu": lambda x: conv(x, activation="gelu"),
    "leaky": lambda x: layers.LeakyReLU(0.1)(conv(x)),
    "prelu": lambda x: layers.PReLU(shared_axes=[1, 2])(conv(x)),
    "mean_of_sigmoid": lambda x: _mean_of(x, "sigmoid"),
    "mean_of_tanh": lambda x: _mean_of(x, "tanh"),
    "mean_of_softmax": lambda x: _mean_of(x, "softmax"),
    "mean_of_hard_sigmoid": lambda x: _mean_of(x, "hard_sigmoid"),
    "mean_of_reshaped": lambda x: layers.Dense(3)(
        layers.GlobalAveragePooling1D()(
            layers.Reshape((64, 6))(conv(x, 6, activation="tanh"))
        )
    ),
    "pool_of_hard_sigmoid": lambda x: conv(
        layers.AveragePooling2D(2)(conv(x, activation="hard_sigmoid"))
    ),
    "sigmoid_joined": lambda x: conv(
        layers.Concatenate()([conv(x, activation="sigmoid"), conv(x)])
    ),
    "known_ranges_joined": lambda x: conv(
        layers.Concatenate()([conv(x, activation=one) for one in ("sigmoid", "tanh")])
    ),
    "tanh_or_more": lambda x: conv(
        layers.Maximum()([conv(x, activation="tanh"), conv(x)])
    ),
    "norm_alone": lambda x: conv(layers.ReLU()(layers.BatchNormalization()(x))),
    "norm_after_bias": lambda x: layers.BatchNormalization()(conv(x)),
    "norm_after_relu": lambda x: layers.BatchNormalization()(
        conv(x, activation="relu")
    ),
    "norm_of_vectors": lambda x: layers.BatchNormalization()(
        layers.Dense(6)(layers.BatchNormalization()(layers.Flatten()(x)))
    ),
    "rescaling": lambda x: conv(layers.Rescaling(2.0, 0.5)(x)),
    "separable": lambda x: layers.SeparableConv2D(6, 3, activation="relu")(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x),
    "grouped": lambda x: layers.Conv2D(8, 3, groups=2)(x),
    "dilated": lambda x: layers.Conv2D(8, 3, dilation_rate=2)(x),
    "transposed": lambda x: layers.Conv2DTranspose(6, 3, 2, padding="same")(x),
    "concat": lambda x: conv(layers.Concatenate()([conv(x), conv(x), x])),
    "shared_relu": lambda x: (lambda relu: relu(conv(relu(conv(x)))))(layers.ReLU()),
    "three_terms": lambda x: layers.ReLU()(layers.Add()([conv(x), conv(x), x])),
    "operators": lambda x: conv(x) * 0.5 - x / 3.0 + 1.0,
    "subtract": lambda x: layers.Subtract()([conv(x), x]),
    "maximum": lambda x: layers.Maximum()([conv(x), x]),
    "three_factors": lambda x: layers.Multiply()([conv(x), conv(x), x]),
    "least_of_three": lambda x: layers.Minimum()([conv(x), conv(x), x]),
    "average": lambda x: layers.Average()([conv(x), conv(x), x]),
    "scaled_sum": lambda x: layers.ReLU()(CustomScaleLayer(0.2)([conv(x), conv(x)])),
    "average_pool": lambda x: layers.AveragePooling2D(2)(conv(x)),
    "max_pool": lambda x: conv(layers.MaxPooling2D(2)(conv(x))),
    "pad": lambda x: layers.Conv2D(3, 3)(layers.ZeroPadding2D(1)(conv(x))),
    "nearest": lambda x: layers.UpSampling2D(2)(conv(x)),
    "bilinear": lambda x: conv(layers.UpSampling2D(2, interpolation="bilinear")(x)),
    "global_max": lambda x: layers.Dense(3)(layers.GlobalMaxPooling2D()(conv(x))),
    "permute": lambda x: layers.Permute((3, 1, 2))(conv(x)),
    "two_readers": lambda x: _two_readers(conv(x)),
    "gate": lambda x: _gate(conv(x)),
    "v3_gate": lambda x: (
        lambda y: y * (layers.ReLU(6.0)(conv(y) + 3.0) * (1.0 / 6.0))
    )(conv(x)),
}
SEQUENCES = {
    "causal": lambda x: layers.BatchNormalization()(
        layers.Conv1D(5, 3, padding="causal")(x)
    ),
    "depthwise_1d": lambda x: layers.DepthwiseConv1D(3)(x),
    "separable_1d": lambda x: layers.MaxPooling1D(2)(layers.SeparableConv1D(4, 3)(x)),
    "pooled_1d": lambda x: layers.Dense(2)(
        layers.GlobalAveragePooling1D()(layers.Conv1D(6, 3, 2, activation="relu")(x))
    ),
}
WORSE = {
    "hard_silu": 40,
    "prelu": 40,
    # The runtime rescales 8-bit numbers by a factor of 8 bits.
    "sigmoid_joined": 35,
    "tanh_or_more": 35,
}


def _mean_of(x, activation):
    x = conv(x, 6, activation=activation)
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def _two_readers(x):
    return layers.Add()([layers.ReLU()(x), x])


def _gate(x):
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(2, 1, activation="relu")(y)
    return layers.Multiply()([x, layers.Conv2D(4, 1, activation="sigmoid")(y)])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*IMAGES, *SEQUENCES])
def test_an_operator_in_the_file_is_the_one_in_the_model(name):
    """Integers only, at 45 dB and more; what is an approximation has a lower bound."""
    build = IMAGES.get(name) or SEQUENCES[name]
    model = wired(build, (8, 8, 4) if name in IMAGES else (16, 4))
    qat_model, report = ranged(model)
    images = images_for(model, 8, seed=1)
    conversion, quality, _ = parity(qat_model, images)
    assert report.fully_quantized
    assert conversion.float_operators == ()
    assert quality > WORSE.get(name, 45)
    assert snr_db(np.asarray(model(images)), np.asarray(qat_model(images))) > 22


@pytest.mark.parametrize("merge", [layers.Add, layers.Concatenate])
def test_a_relu_that_is_always_zero_makes_a_file_that_loads(merge):
    """Behind it a range has seen zeros alone, whose scale would be near 0."""

    def build(x):
        x = conv(x, activation="relu")
        return conv(merge()([conv(conv(x, activation="relu", name="dead")), x]))

    model = wired(build)
    model.get_layer("dead").bias.assign([-50.0] * 4)
    qat_model, _ = ranged(model)
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert conversion.float_operators == ()
    assert quality > 45


@pytest.fixture(scope="module")
def trained():
    """A small float net that knows its task, and its data."""
    keras.utils.set_random_seed(0)
    dataset = blobs(320)
    x = inputs = keras.Input((8, 8, 3), name="image")
    for width in (8, 16):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    model = keras.Model(inputs, layers.Dense(4, name="logits")(x), name="net")
    settings = training.TrainConfig(epochs=4, batch_size=32, learning_rate=3e-3)
    training.train(model, dataset, config=settings)
    return model, dataset


def images_of(dataset):
    return np.concatenate([x for x, *_ in dataset.train(64, shuffle=False)])


def test_a_trained_model_converts_without_data(trained):
    """The file's scales are the trained ones; it answers alike."""
    model, dataset = trained
    settings = quantize.QuantizeConfig(epochs=1, batch_size=32)
    result = quantize.train_quantized(model, dataset, config=settings)
    conversion, quality, same = parity(result.model, images_of(dataset)[:128])
    assert conversion.recipe == "int8"
    assert conversion.float_operators == ()
    assert conversion.calibration_examples == 0
    assert quality > 45
    assert same >= 0.998
    assert [o.name for o in conversion.inspection.outputs] == ["logits"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["int8", "int8_w4"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_grid_survives_the_conversion(trained, recipe, per_channel):
    """4-bit kernels are stored in 4 bits, per tensor or per channel."""
    model, dataset = trained
    settings = quantize.QuantizeConfig(
        epochs=1, batch_size=32, recipe=recipe, per_channel=per_channel
    )
    result = quantize.train_quantized(model, dataset, config=settings)
    conversion, quality, same = parity(result.model, images_of(dataset)[:128])
    assert conversion.recipe == recipe
    assert conversion.float_operators == ()
    assert quality > 38
    assert same >= 0.99


@pytest.mark.slow
def test_four_bit_kernels_take_half_the_space():
    """A kernel of 64 x 64 x 9 weights: 36,864 bytes in int8, 18,432 in int4."""
    model = wired(lambda x: conv(conv(x, 64), 64), (4, 4, 64))
    eight = tflite.convert(ranged(model)[0])
    four = tflite.convert(ranged(model, "int8_w4")[0])
    saved = len(eight.content) - len(four.content)
    assert saved == pytest.approx(36_864, rel=0.02)  # half of two kernels


@pytest.mark.slow
def test_sixteen_bit_activations(trained):
    """Their file is repaired, and closer to the float model than 8 bits."""
    model, dataset = trained
    settings = quantize.QuantizeConfig(epochs=1, batch_size=32, recipe="int16x8")
    result = quantize.train_quantized(model, dataset, config=settings)
    conversion, quality, same = parity(result.model, images_of(dataset)[:128])
    assert conversion.recipe == "int16x8"
    assert quality > 50
    assert same >= 0.998


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_channels_without_weights_have_their_biases(kind, recipe):
    """Pruning leaves such; no scale can be found in them."""
    layer = {
        "conv": lambda: layers.Conv2D(8, 3, name="holed"),
        "depthwise": lambda: layers.DepthwiseConv2D(3, name="holed"),
        "dense": lambda: layers.Dense(8, name="holed"),
    }[kind]()
    model = wired(lambda x: conv(layer(conv(x, 8, activation="relu"))))
    kernel, bias = layer.get_weights()
    view = kernel[..., 0] if kind == "depthwise" else kernel
    view[..., ::2] = 0
    layer.set_weights([kernel, bias])
    _, quality, _ = parity(ranged(model, recipe)[0], images_for(model, 8, seed=1))
    assert quality > 45


@pytest.mark.slow
def test_equal_biases_stay_biases():
    """Of 16-bit models too; the converter sees one number in them."""
    model = wired(lambda x: conv(conv(x)))
    for layer in model.layers[1:]:
        layer.bias.assign(np.ones(4))
    for recipe in ("int8", "int16x8"):
        _, quality, _ = parity(ranged(model, recipe)[0], images_for(model, 8, seed=1))
        assert quality > 45


@pytest.mark.slow
def test_sixteen_bits_leave_in_float_what_the_converter_lacks():
    """Concatenation and GELU; a depthwise convolution and a gate are there."""
    model = wired(lambda x: _gate(layers.DepthwiseConv2D(3, padding="same")(x)))
    qat_model, report = ranged(model, "int16x8")
    _, quality, _ = parity(qat_model, images_for(model, 8))
    assert report.fully_quantized
    assert quality > 40
    other = wired(lambda x: conv(layers.Concatenate(name="join")([conv(x), x])))
    _, report = quantize.quantize_aware(other, "int16x8")
    assert report.float_layers == {"join": "the converter has no 16-bit form of it"}


ZOO = {
    "plain": {"depth": 8},
    "resnet": {"depth": 8},
    "mobilenet_v1": {"alpha": 0.25},
    "mobilenet_v2": {"alpha": 0.35},
    "squeezenet": {"alpha": 0.5},
    "densenet": {"depth": 16},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(name):
    """Integers only, 35 dB and more, with random weights and statistics."""
    model = getattr(zoo, name)((32, 32, 3), 10, activation=None, **ZOO[name])
    qat_model, report = ranged(models.randomise(model))
    images = images_for(model, 32, seed=1)
    conversion, quality, _ = parity(qat_model, images)
    assert report.fully_quantized
    assert conversion.float_operators == ()
    assert quality > 35


@pytest.mark.slow
def test_a_trained_network_of_the_zoo_gives_the_same_answers():
    """On at least 99.8 % of the examples."""
    dataset = blobs(640, (16, 16, 3))
    model = zoo.resnet((16, 16, 3), 4, depth=8, width=8, activation=None, momentum=0.9)
    fit = training.TrainConfig(epochs=3, batch_size=32, learning_rate=3e-3)
    training.train(model, dataset, config=fit)
    quantizing = quantize.QuantizeConfig(epochs=1, batch_size=32)
    result = quantize.train_quantized(model, dataset, config=quantizing)
    _, quality, same = parity(result.model, images_of(dataset))
    assert same >= 0.998
    assert quality > 35


def test_unset_ranges_are_refused(trained):
    """With how many, one's name and what to call."""
    qat_model, _ = quantize.quantize_aware(trained[0])
    with pytest.raises(
        errors.ConversionError, match=r"not seen any data.*image_range.*calibrate"
    ) as caught:
        tflite.convert(qat_model)
    assert "\n" not in str(caught.value)


def test_another_recipe_than_the_trained_one_is_refused(trained):
    """And a trained one for a float model."""
    qat_model, _ = quantize.quantize_aware(trained[0])
    with pytest.raises(errors.ConversionError, match="trained for another recipe"):
        tflite.convert(qat_model, "int16x8")
    with pytest.raises(ValueError, match=r"has to be trained for.*'int8_w4'"):
        tflite.convert(trained[0], "int8_w4")


@pytest.mark.slow
def test_a_model_with_a_precision_map_is_converted_by_its_recipe():
    """Its 4-bit kernel is one in the file; the recipe is that of the others."""
    model = wired(lambda x: conv(conv(x, name="low"), name="last"))
    qat_model, _ = ranged(model, precision={"low": "int8_w4"})
    images = images_for(model, 8, seed=1)
    conversion, quality, _ = parity(qat_model, images, recipe="int8")
    types = [one.dtype for one in conversion.inspection.weights if len(one.shape) > 1]
    assert conversion.recipe == "int8"
    assert sorted(types) == ["int4", "int8"]
    assert quality > 38


def test_only_our_models_are_exported(trained):
    """A float model has no ranges to write."""
    with pytest.raises(errors.ModelError, match="no quantization-aware model"):
        quantize.to_convertible(trained[0])


@pytest.mark.slow
def test_the_check_of_parity_takes_the_trained_model(trained):
    """Accuracy of the model and of its file, side by side."""
    model, dataset = trained
    part = images_of(dataset), np.zeros(len(images_of(dataset)), int)
    examples = data.Dataset.from_arrays(
        **dict.fromkeys(("train", "validation", "test"), part),
        task=data.Task.single("classification", num_classes=4, from_logits=True),
    )  # fmt: skip
    qat_model, _ = quantize.quantize_aware(model)
    quantize.calibrate(qat_model, [images_of(dataset)])
    report = tflite.check_parity(qat_model, tflite.convert(qat_model), data=examples)
    assert report.agreement >= 0.998
    assert agreement(np.eye(2), np.eye(2)) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_rescaling_in_float_is_one_in_the_file(dtype):
    """Of integers, which have no range, and where the user asks for it."""
    x = keras.Input((8, 8, 3), dtype=dtype, name="image")
    y = conv(layers.Rescaling(1 / 255.0, name="rescaling")(x))
    model = models.randomise(keras.Model(x, layers.Dense(2)(layers.Flatten()(y))))
    qat_model, report = quantize.quantize_aware(model, skip=["rescaling"])
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3)).astype(dtype)
    quantize.calibrate(qat_model, [images])
    assert list(report.float_layers) == ["rescaling"]
    conversion, quality, _ = parity(qat_model, images, allow_float_ops=True)
    kinds = [operator.name for operator in conversion.inspection.operators]
    assert "MUL" in kinds
    assert "DEPTHWISE_CONV_2D" not in kinds
    assert conversion.inspection.inputs[0].dtype == dtype
    assert quality > 45


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
def test_an_input_that_is_an_output_too_comes_out_rounded(recipe):
    """By at most half a step of its range: 2 / 255 in 8 bits."""
    x = keras.Input((8, 8, 4), name="image")
    model = models.randomise(keras.Model(x, [x, conv(x, name="last")]))
    qat_model, _ = quantize.quantize_aware(model, recipe)
    images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 4)).astype("f4")
    quantize.calibrate(qat_model, [images])
    conversion = tflite.convert(qat_model)
    image, last = Runner(conversion.content)(images)
    assert [o.name for o in conversion.inspection.outputs] == ["image", "last"]
    assert np.abs(image - images).max() <= 1.01 / 255
    assert snr_db(np.asarray(qat_model(images)[1]), last) > 45


@pytest.mark.slow
def test_a_layer_may_have_any_name():
    """Layers that live for a conversion take no name of the user's."""
    model = wired(lambda x: layers.Dense(2)(layers.Flatten(name="computed_1")(conv(x))))
    qat_model, _ = ranged(model)
    assert tflite.convert(qat_model).float_operators == ()
