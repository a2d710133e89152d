"""The quantization-aware model: what it computes, covers, refuses and keeps."""

from __future__ import annotations

import hypothesis
import keras
import numpy as np
import pytest

from tests import models, strategies
from tests.quantize.nets import conv, images_for, layers, ranged, snr_db, wired
from tfcompress import errors, graph, quantize
from tfcompress.quantize.activation_ranges import FakeQuantize, range_layers


@pytest.fixture(scope="module")
def net():
    return models.randomise(models.conv_bn_net())


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_a_convolution_with_norm_and_relu_has_one_range_after_all(net):
    """Conv, BN, range; no ReLU is left: its range begins at 0."""
    qat_model, report = quantize.quantize_aware(net)
    names = [layer.name for layer in qat_model.layers][:5]
    assert names == ["image", "image_range", "conv0", "bn0", "relu0"]
    assert kinds(qat_model)[:5] == [
        "InputLayer",
        "FakeQuantize",
        "QuantizedConv2D",
        "FreezableBatchNormalization",
        "FakeQuantize",
    ]
    assert report.folded == {
        "bn0": "conv0",
        "bn1": "conv1",
        "bn2": "conv2",
        "res_bn": "res_conv",
    }
    assert report.fully_quantized


def test_without_ranges_only_the_kernels_are_rounded(net):
    """Outputs are the original's up to 8-bit weights, and the original is untouched."""
    before = [weight.copy() for weight in net.get_weights()]
    images = np.random.default_rng(0).random((8, 12, 12, 3), dtype=np.float32)
    qat_model, _ = quantize.quantize_aware(net)
    assert 30 < snr_db(np.asarray(net(images)), np.asarray(qat_model(images))) < 80
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for layer in ("conv0", "bn1", "predictions_kernel"):
        given = net.get_layer(layer.removesuffix("_kernel")).get_weights()
        for old, new in zip(
            given, qat_model.get_layer(layer).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(old, new)


def test_outputs_keep_their_names(net):
    """A softmax output is split; losses still find it by its layer's name."""
    qat_model, _ = quantize.quantize_aware(net)
    assert graph.output_names(qat_model) == ["predictions"]
    inputs = keras.Input((4,))
    heads = [layers.Dense(2, name="a")(inputs), layers.Dense(2, name="b")(inputs)]
    two, _ = quantize.quantize_aware(keras.Model(inputs, heads))
    assert graph.output_names(two) == ["a", "b"]


@hypothesis.given(model=strategies.models())
@hypothesis.settings(max_examples=8, deadline=None, derandomize=True)
def test_any_graph_is_quantized_and_stays_close(model):
    """Random graphs: 8-bit outputs within a few per cent of the original's."""
    qat_model, report = quantize.quantize_aware(model)
    given = strategies.inputs_for(model, batch=4)
    quantize.calibrate(qat_model, [given if len(given) > 1 else given[0]])
    wanted = strategies.outputs_of(model, given)
    made = strategies.outputs_of(qat_model, given)
    assert [w.shape for w in wanted] == [m.shape for m in made]
    for one, other in zip(wanted, made, strict=True):
        assert snr_db(one, other) > 12
    assert set(report.layers) | set(report.float_layers) == {
        call.name for call in graph.trace(model).nodes
    }


def test_tied_tensors_share_one_range():
    """What is concatenated has the concatenation's scale, pooled or not."""
    model = wired(
        lambda x: conv(
            layers.Concatenate(name="join")(
                [conv(x, name="left"), layers.MaxPooling2D(1)(conv(x, name="right"))]
            )
        )
    )
    qat_model, report = ranged(model)
    (shared,) = (one for one in range_layers(qat_model) if one.sources == 2)
    low, high = shared.range()
    left, right = (
        np.asarray(keras.Model(model.inputs, model.get_layer(n).output)(
            np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 4)).astype("f4")
        ))
        for n in ("left", "right")
    )  # fmt: skip
    assert low == pytest.approx(min(left.min(), right.min()), rel=0.05)
    assert high == pytest.approx(max(left.max(), right.max()), rel=0.05)
    assert {"left", "right", "join"} < set(report.tied[0])


class Wave(keras.layers.Layer):
    """A layer that nobody knows."""

    def call(self, x):
        return keras.ops.sin(x)


def test_unknown_layers_stay_in_float_and_are_reported():
    """With what they feed in integers again; no crash."""
    model = wired(lambda x: conv(Wave(name="wave")(conv(x, name="a")), name="b"))
    qat_model, report = quantize.quantize_aware(model)
    assert list(report.float_layers) == ["wave"]
    assert "Wave" in report.float_layers["wave"]
    assert not report.fully_quantized
    assert isinstance(qat_model.get_layer("wave_range"), FakeQuantize)
    assert set(report.layers) == {"a", "b"}


class Doubled(keras.layers.Conv2D):
    """A convolution with a kernel of its own making."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, 2.0 * kernel)


def test_a_subclass_that_computes_otherwise_is_left_alone():
    """Its kernel is not the one that is stored."""
    model = wired(lambda x: Doubled(4, 3, name="doubled")(x))
    _, report = quantize.quantize_aware(model)
    assert "computes its kernel itself" in report.float_layers["doubled"]


def test_skipped_layers_stay_as_they_are(net):
    """And so does the BatchNorm that would fold into them, and its ReLU."""
    qat_model, report = quantize.quantize_aware(net, skip=["conv1"])
    assert type(qat_model.get_layer("conv1")) is keras.layers.Conv2D
    assert set(report.float_layers) == {"conv1", "bn1", "relu1"}


def test_a_precision_map_overrides_the_recipe(net):
    """4-bit weights here, float there, 8 bits elsewhere."""
    chosen = {"conv1": "int8_w4", "predictions": "float32"}
    qat_model, report = quantize.quantize_aware(net, precision=chosen)
    assert qat_model.get_layer("conv0").weight_bits == 8
    assert qat_model.get_layer("conv1").weight_bits == 4
    assert type(qat_model.get_layer("predictions")) is keras.layers.Dense
    assert report.layers["conv1"] == "int8_w4"
    assert "predictions" in report.float_layers


@pytest.mark.parametrize("recipe", ["int8", "int8_w4"])
def test_a_model_keeps_the_recipe_that_it_was_made_by(net, recipe, tmp_path):
    """Whatever a precision map says about single layers, and in a file too."""
    kernels = quantize.quantize_aware(net)[1].layers
    other = {"int8": "int8_w4", "int8_w4": "int8"}[recipe]
    qat_model, _ = quantize.quantize_aware(
        net, recipe, precision=dict.fromkeys(kernels, other)
    )
    assert quantize.recipe_of(qat_model) == recipe
    qat_model.save(tmp_path / "qat.keras")
    loaded = keras.models.load_model(tmp_path / "qat.keras")
    assert quantize.recipe_of(loaded) == recipe


@pytest.mark.parametrize("recipe", ["int8", "int8_w4", "int16x8"])
def test_the_recipe_of_an_older_file_is_told_by_its_bits(net, recipe):
    """Its ranges do not say it."""
    qat_model, _ = quantize.quantize_aware(net, recipe)
    for one in range_layers(qat_model):
        one.recipe = None
    assert quantize.recipe_of(qat_model) == recipe


def test_shared_layers_keep_one_kernel_and_have_a_range_per_call():
    """Two calls of one convolution see two ranges."""
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    model = wired(lambda x: layers.Add()([shared(x), shared(layers.ReLU()(x))]))
    qat_model, _ = quantize.quantize_aware(model)
    assert kinds(qat_model).count("QuantizedConv2D") == 1
    assert {"shared_range", "shared_range_"} <= {one.name for one in qat_model.layers}


def twice(layer):
    """Return a net that calls an activation after each of two convolutions."""
    return lambda x: layers.Dense(2, name="last")(
        layer(conv(layer(conv(x, name="a")), name="b"))
    )


def nested_twice(x):
    inside = keras.Input((8, 8, 4))
    relu = layers.ReLU()
    inner = keras.Model(inside, relu(conv(relu(conv(inside)))), name="inner")
    return conv(inner(inner(conv(x))))


def siamese(x):
    tower = layers.Conv2D(4, 3, activation="relu", name="tower")
    other = layers.MaxPooling2D(3, 1, padding="same")(x)
    return layers.Subtract()([tower(x), tower(other)])


def tied_once(x):
    """One of the ReLU's ranges is that of a concatenation, so the layer stays."""
    relu = layers.ReLU(name="relu")
    joined = layers.Concatenate()([relu(conv(x)), conv(x)])
    return conv(relu(conv(joined)))


REUSED = {
    "relu": lambda x: twice(layers.ReLU())(x),
    "capped": lambda x: twice(layers.ReLU(0.5))(x),
    "activation": lambda x: twice(layers.Activation("relu"))(x),
    "siamese": siamese,
    "nested": nested_twice,
    "tied_once": tied_once,
}


@pytest.mark.parametrize("name", REUSED)
def test_every_call_of_a_relu_has_a_range_of_its_own(name):
    """Nothing negative passes, and numbers stay the original's."""
    model = wired(REUSED[name])
    qat_model, report = ranged(model)
    assert report.fully_quantized
    images = images_for(model, 16, seed=1)
    assert snr_db(np.asarray(model(images)), np.asarray(qat_model(images))) > 22


def test_a_sequential_model_may_hold_another_twice():
    """A nested model that is called twice shares its layers, its ReLU too."""
    given = keras.Input((8, 8, 4))
    inner = keras.Sequential(
        [given, layers.Conv2D(4, 3, padding="same"), layers.ReLU()]
    )
    model = models.randomise(keras.Sequential([given, inner, inner, layers.Dense(2)]))
    qat_model, report = ranged(model)
    assert report.fully_quantized
    images = images_for(model, 16, seed=1)
    assert snr_db(np.asarray(model(images)), np.asarray(qat_model(images))) > 22


@pytest.mark.parametrize(
    "last",
    [
        layers.ReLU(name="last"),
        layers.Conv2D(4, 3, padding="same", name="last"),
        layers.Conv2D(4, 3, padding="same", activation="relu", name="last"),
    ],
    ids=["relu", "convolution", "with_relu"],
)
def test_an_output_keeps_the_name_of_a_layer_that_is_called_before(last):
    """Where a layer makes two outputs, the second is numbered, as in a float file."""
    model = wired(lambda x: last(conv(last(conv(x)))))
    qat_model, _ = quantize.quantize_aware(model)
    assert graph.output_names(qat_model) == ["last"]
    x = model.input
    y = last(conv(x))
    two, _ = quantize.quantize_aware(keras.Model(x, [y, last(conv(y))]))
    assert graph.output_names(two) == ["last", "last_1"]


def test_an_output_in_float_keeps_its_name():
    """Also where a layer in integers reads it."""
    x = keras.Input((8, 8, 4))
    y = Wave(name="wave")(conv(x))
    qat_model, _ = quantize.quantize_aware(keras.Model(x, [y, conv(y, name="b")]))
    assert graph.output_names(qat_model) == ["wave", "b"]


def test_layers_of_ours_take_no_name_of_the_users():
    """Ranges and renamed layers go by another name then."""
    x = keras.Input((8, 8, 4), name="a_range")
    y = conv(conv(x, name="a"), name="b_unrounded")
    qat_model, report = quantize.quantize_aware(keras.Model(x, conv(y, name="b")))
    names = {layer.name for layer in qat_model.layers}
    assert {"a", "a_range_", "b_unrounded", "b_unrounded_", "b"} <= names
    assert set(report.layers) == {"a", "b_unrounded", "b"}


def test_a_per_tensor_kernel_folds_its_norm_in_every_step(net):
    """One layer of both; in inference it equals the folded kernel, rounded."""
    qat_model, _ = quantize.quantize_aware(net, per_channel=False)
    folded = qat_model.get_layer("conv0")
    assert type(folded).__name__ == "FoldedBatchNormalization"
    kernel, norm = net.get_layer("conv0"), net.get_layer("bn0")
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    values = kernel.get_weights()[0] * scale
    step = np.abs(values).max() / 127
    made, offset = (np.asarray(value) for value in folded.folded_kernel())
    np.testing.assert_allclose(made, np.round(values / step) * step, atol=1e-4)
    np.testing.assert_allclose(offset, beta - mean * scale, rtol=1e-4, atol=1e-5)


def test_early_folding_normalises_by_the_batch_while_training(net):
    """Up to the rounding of the kernel it is a BatchNorm.

    And the moving statistics move as a BatchNorm's do.
    """
    x = np.random.default_rng(0).normal(size=(16, 12, 12, 3)).astype("float32")
    qat_model, _ = quantize.quantize_aware(net, per_channel=False)
    folded = qat_model.get_layer("conv0")
    out = np.asarray(folded(x, training=True))
    plain = net.get_layer("conv0")(x)
    norm = keras.models.clone_model(net).get_layer("bn0")
    norm.set_weights(net.get_layer("bn0").get_weights())
    wanted = np.asarray(norm(plain, training=True))
    assert snr_db(wanted, out) > 30  # 8-bit kernels
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(
            getattr(folded.norm, name), getattr(norm, name), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            {"recipe": "int7"},
            ValueError,
            r"Unknown recipe.*'int7'.*Did you mean 'int8'",
        ),
        ({"recipe": "float32"}, ValueError, "Unknown recipe.*'float32'"),
        ({"skip": ["conv9"]}, errors.ConfigError, "no such layer.*Did you mean 'conv"),
        (
            {"precision": {"dense": "int8"}},
            errors.ConfigError,
            "no such layer.*precision with 'dense'",
        ),
        ({"precision": {"conv1": "int9"}}, ValueError, "Unknown recipe.*'int9'"),
        (
            {"precision": {"conv1": "int16x8"}},
            errors.ConfigError,
            "does not mix 8-bit and 16-bit.*'conv1'",
        ),
    ],
)
def test_bad_arguments_are_refused(net, arguments, kind, message):
    """By name, with the nearest."""
    with pytest.raises(kind, match=message) as caught:
        quantize.quantize_aware(net, **arguments)
    assert "\n" not in str(caught.value)


def test_a_quantized_model_is_refused(net):
    """Once is enough; Keras' own quantization is refused too."""
    qat_model, _ = quantize.quantize_aware(net)
    with pytest.raises(errors.ModelError, match=r"quantized already.*Pass the model"):
        quantize.quantize_aware(qat_model)
    dense = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    dense.quantize("int8")
    with pytest.raises(errors.ModelError, match="quantized by Keras"):
        quantize.quantize_aware(dense)


def test_the_report_is_plain_json_and_readable(net):
    """One line says it; a line for each float layer."""
    _, report = quantize.quantize_aware(net, skip=["predictions"])
    assert report.to_dict()["float_layers"] == {"predictions": "it is to be left alone"}
    assert str(report).splitlines() == [
        "int8: 13 layers quantized",
        "  in float: predictions (it is to be left alone)",
    ]


def test_trainable_flags_and_compile_settings_are_kept():
    """As in other transforms."""
    model = models.conv_bn_net()
    model.get_layer("conv0").trainable = False
    model.compile("sgd", "mse")
    qat_model, _ = quantize.quantize_aware(model)
    assert not qat_model.get_layer("conv0").trainable
    assert qat_model.get_layer("conv1").trainable
    assert qat_model.loss == "mse"


def test_a_train_step_of_the_models_own_is_noted(net):
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    _, report = quantize.quantize_aware(Own(net.inputs, net.outputs))
    assert [note for note in report.notes if "train_step of its class Own" in note]
    assert not quantize.quantize_aware(net)[1].notes
