"""Tests of `tfcompress.graph.surgery`: folding by hand, and what a user gets back."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from tests.models import conv_bn_net, randomise
from tests.oracles import switched_off
from tests.strategies import outputs_of, random_plan, relative_error
from tfcompress.graph import PruningPlan, prune_model, trace
from tfcompress.training import arms


def small(*, norm_after=False, bias=False, padding="valid", kernel=1):
    """conv 'a' (2 channels) -> BN -> ReLU -> conv 'b' [-> BN]."""
    x = keras.Input((5, 5, 1))
    y = layers.Conv2D(2, 1, use_bias=False, name="a")(x)
    y = layers.ReLU()(layers.BatchNormalization(name="bn_a")(y))
    y = layers.Conv2D(3, kernel, use_bias=bias, padding=padding, name="b")(y)
    if norm_after:
        y = layers.BatchNormalization(name="bn_b")(y)
    return randomise(keras.Model(x, y))


def set_beta(model, beta):
    model.get_layer("bn_a").beta.assign(beta)


def test_constant_moves_into_a_new_bias():
    """β = 2 leaves relu(2) = 2, so each output of b gains 2·W[1]."""
    model = small()
    set_beta(model, [0.0, 2.0])
    weights = model.get_layer("b").kernel.numpy()[0, 0]
    pruned, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    np.testing.assert_allclose(pruned.get_layer("b").bias, 2 * weights[1], rtol=1e-6)
    (fold,) = report.folded
    assert (fold.layer, fold.into, fold.exact) == ("b", "new_bias", 1)


def test_no_bias_is_added_for_a_zero_constant():
    """A negative β leaves relu(β) = 0: nothing to fold."""
    model = small()
    set_beta(model, [0.0, -2.0])
    pruned, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    assert not pruned.get_layer("b").use_bias
    assert [fold.exact for fold in report.folded] == [0]


def test_constant_moves_into_an_existing_bias():
    model = small(bias=True)
    set_beta(model, [0.0, 2.0])
    layer = model.get_layer("b")
    wanted = layer.bias.numpy() + 2 * layer.kernel.numpy()[0, 0, 1]
    pruned, _ = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    np.testing.assert_allclose(pruned.get_layer("b").bias, wanted, rtol=1e-6)


def test_constant_moves_into_the_mean_of_the_batch_norm_that_follows():
    """No parameter is added: mean − 2·W[1]."""
    model = small(norm_after=True)
    set_beta(model, [0.0, 2.0])
    kernel = model.get_layer("b").kernel.numpy()[0, 0, 1]
    wanted = model.get_layer("bn_b").moving_mean.numpy() - 2 * kernel
    pruned, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    np.testing.assert_allclose(
        pruned.get_layer("bn_b").moving_mean, wanted, rtol=1e-5, atol=1e-6
    )
    assert report.folded[0].into == "batch_norm_mean"
    assert not pruned.get_layer("b").use_bias


def test_zero_padding_makes_folding_exact_only_inside():
    """With a padded 3 x 3 window the interior agrees and the border does not."""
    model = small(padding="same", kernel=3)
    set_beta(model, [0.0, 2.0])
    graph = trace(model)
    plan = PruningPlan.of(graph, {"a": [0]})
    pruned, report = prune_model(graph, plan)
    assert (report.folded[0].exact, report.folded[0].interior) == (0, 1)
    image = [np.random.default_rng(0).normal(size=(1, 5, 5, 1)).astype("float32")]
    (got,), (wanted,) = (
        outputs_of(pruned, image),
        outputs_of(switched_off(graph, plan), image),
    )
    np.testing.assert_allclose(got[:, 1:-1, 1:-1], wanted[:, 1:-1, 1:-1], atol=1e-5)
    assert np.abs(got - wanted)[:, 0].max() > 1e-2


def test_explicit_zero_padding_is_a_border_too():
    x = keras.Input((5, 5, 1))
    y = layers.Conv2D(2, 1, name="a")(x)
    y = layers.Conv2D(3, 3, name="b")(layers.ZeroPadding2D(1)(y))
    model = randomise(keras.Model(x, y))
    _, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    assert report.folded[0].interior == 1


def test_data_dependent_gate_over_a_broadcast_map_is_reported_as_lost():
    """x · map stays dependent on the data, so its constant is given up as 0."""
    x = keras.Input((5, 5, 1))
    y = layers.Conv2D(2, 1, name="a")(x)
    gate = layers.Conv2D(1, 1, activation="sigmoid", name="map")(x)
    y = layers.Conv2D(3, 1, name="b")(layers.Multiply()([y, gate]))
    model = randomise(keras.Model(x, y))
    _, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    assert (report.folded[0].exact, report.folded[0].lost) == (0, 1)


def test_strided_transposed_convolution_cannot_take_constants():
    """Its taps differ from position to position."""
    x = keras.Input((5, 5, 1))
    y = layers.Conv2D(2, 1, name="a")(x)
    y = layers.Conv2DTranspose(3, 3, strides=2, name="b")(y)
    model = randomise(keras.Model(x, y))
    _, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    assert report.folded[0].lost == 1


def test_shared_consumer_with_different_constants_loses_them():
    """One bias cannot serve two calls whose removed inputs were different constants."""
    x = keras.Input((5, 5, 1))
    consumer = layers.Conv2D(3, 1, name="b")
    calls = [consumer(layers.Conv2D(2, 1, name=name)(x)) for name in ("left", "right")]
    model = randomise(keras.Model(x, layers.Add()(calls)))
    graph = trace(model)
    (group,) = graph.groups  # the shared kernel ties both
    assert set(group.layers) == {"left", "right"}
    _, report = prune_model(graph, PruningPlan.of(graph, {group.name: [0]}))
    assert (report.folded[0].exact, report.folded[0].lost) == (0, 1)


def test_small_scales_cost_nothing_when_folded():
    """Slimming's case: γ = 0 on the removed channels, and the output is unchanged."""
    model = randomise(conv_bn_net(input_shape=(12, 12, 3)))
    graph = trace(model)
    plan = random_plan(graph, 0.5)
    for group in graph.groups:
        off = np.setdiff1d(np.arange(group.size), plan.keep[group.name])
        for place in group.scales:
            gamma = graph.layers[place.layer].gamma
            gamma.assign(np.where(np.isin(place.channel, off), 0.0, gamma.numpy()))
            beta = graph.layers[place.layer].beta
            # padded windows follow, so keep relu(β) at 0 to stay exact at the border
            beta.assign(np.where(np.isin(place.channel, off), -1.0, beta.numpy()))
    image = [np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype("float32")]
    pruned, _ = prune_model(model, plan)
    assert relative_error(outputs_of(pruned, image), outputs_of(model, image)) <= 1e-5


def test_folding_uses_the_weights_of_now_not_of_the_trace():
    """A graph traced before training still folds what training left."""
    model = small()
    graph = trace(model)
    set_beta(model, [0.0, 1.0])
    plan = PruningPlan.of(graph, {"a": [0]})
    prune_model(graph, plan)
    set_beta(model, [0.0, 3.0])
    pruned, _ = prune_model(graph, plan)
    kernel = model.get_layer("b").kernel.numpy()[0, 0, 1]
    np.testing.assert_allclose(pruned.get_layer("b").bias, 3 * kernel, rtol=1e-6)


def test_the_original_is_not_changed():
    model = randomise(conv_bn_net())
    before = [weight.copy() for weight in model.get_weights()]
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    graph = trace(model)
    prune_model(graph, random_plan(graph, 0.5))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]


def test_pruned_model_is_an_ordinary_keras_model(tmp_path):
    """Names, policies, regularisers and flags are kept; it fits, saves, exports."""
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(8, 3, kernel_regularizer=keras.regularizers.L2(0.01), name="a")(x)
    y = layers.Conv2D(8, 3, dtype="mixed_bfloat16", name="b")(y)
    y = layers.Conv2D(8, 1, name="frozen", trainable=False)(y)
    y = layers.Dense(4, activation="softmax", dtype="float32", name="head")(
        layers.GlobalAveragePooling2D()(y)
    )
    model = randomise(keras.Model(x, y, name="net"))
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    graph = trace(model)
    pruned, report = prune_model(graph, random_plan(graph, 0.5))
    assert [layer.name for layer in pruned.layers] == [
        layer.name for layer in model.layers
    ]
    assert pruned.name == "net"
    assert pruned.get_layer("a").kernel_regularizer.l2 == pytest.approx(0.01)
    assert pruned.get_layer("b").dtype_policy.name == "mixed_bfloat16"
    assert not pruned.get_layer("frozen").trainable
    assert pruned.compiled
    assert float(pruned.optimizer.learning_rate) == pytest.approx(0.05)
    assert report.notes == ()
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")
    pruned.fit(images, np.arange(8) % 4, verbose=0)
    pruned.save(tmp_path / "small.keras")
    again = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_allclose(
        *outputs_of(again, [images]), *outputs_of(pruned, [images]), rtol=1e-5
    )
    pruned.export(tmp_path / "saved", verbose=False)
    assert (tmp_path / "saved" / "saved_model.pb").exists()


def test_settings_that_cannot_be_copied_are_noted():
    """A loss that is a local function does not stop the cut."""
    model = conv_bn_net()
    model.compile("adam", loss=lambda y, p: keras.ops.mean(y - p))
    graph = trace(model)
    pruned, report = prune_model(graph, random_plan(graph, 0.5))
    assert pruned.compiled or any("compile" in note for note in report.notes)


def test_a_train_step_of_the_models_own_is_noted():
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    net = conv_bn_net()
    graph = trace(Own(net.inputs, net.outputs))
    _, report = prune_model(graph, random_plan(graph, 0.5))
    assert any("train_step of its class Own" in note for note in report.notes)


def test_a_layer_that_cannot_be_copied_is_shared_and_keeps_its_flag():
    """Its frozen neighbours stay frozen, it stays trainable, and the report says so."""

    class Closed(keras.layers.Layer):
        def __init__(self, size):  # no default: `from_config` cannot make it
            super().__init__(name="closed")
            self.size = size

        def get_config(self):
            return {}

        def build(self, shape):
            self.offset = self.add_weight(shape=(shape[-1],), name="offset")

        def call(self, x):
            return x + self.offset

    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="first")(inputs)
    x = layers.Conv2D(8, 3, name="second")(x)
    model = keras.Model(inputs, Closed(8)(x))
    model.get_layer("second").trainable = False
    graph = trace(model)
    pruned, report = prune_model(graph, random_plan(graph, 0.5))
    assert pruned.get_layer("closed") is model.get_layer("closed")
    assert any("closed" in note for note in report.notes)
    flags = {layer.name: layer.trainable for layer in pruned.layers if layer.weights}
    assert flags == {"first": True, "second": False, "closed": True}
    assert [layer.trainable for layer in model.layers[1:]] == [True, False, True]


def test_report_survives_json():
    import json

    model = conv_bn_net()
    graph = trace(model)
    _, report = prune_model(graph, random_plan(graph, 0.5))
    again = json.loads(json.dumps(report.to_dict()))
    assert again["channels"][0] == {
        "group": "conv0",
        "layers": ["conv0"],
        "before": 8,
        "after": 4,
    }
    assert again["pinned"] == {"predictions": "model output"}


def test_initializers_that_hold_arrays_do_not_stop_the_cut(tmp_path):
    """They fit the old shapes alone; one of a layer that keeps its shape stays."""
    array, numbers = keras.initializers.Constant, np.random.default_rng(0)
    x = keras.Input((5, 5, 1))
    kernel = array(numbers.normal(size=(1, 1, 1, 4)))
    y = layers.Conv2D(4, 1, kernel_initializer=kernel, name="a")(x)
    y = layers.BatchNormalization(gamma_initializer=array([1, 2, 3, 4.0]))(y)
    kernel = array(numbers.normal(size=(1, 1, 4, 3)))
    y = layers.Conv2D(3, 1, kernel_initializer=kernel, name="b")(y)
    kernel = array(np.full((3, 2), 0.5))
    model = keras.Model(x, layers.Dense(2, kernel_initializer=kernel, name="c")(y))
    plan = PruningPlan.of(trace(model), {"a": [0, 2]})
    pruned, _ = prune_model(model, plan)
    same = switched_off(trace(model), plan)
    images = numbers.normal(size=(2, 5, 5, 1)).astype("float32")
    assert (
        relative_error(outputs_of(pruned, [images]), outputs_of(same, [images])) < 1e-5
    )
    fresh = arms.reinitialise(pruned, seed=0)
    np.testing.assert_array_equal(fresh.get_layer("c").kernel, np.full((3, 2), 0.5))
    pruned.save(tmp_path / "pruned.keras")
    keras.models.load_model(tmp_path / "pruned.keras")


def test_a_layer_called_by_keyword_is_cut():
    """Its constant goes through its function all the same."""
    x = keras.Input((5, 5, 1))
    y = layers.BatchNormalization(name="bn_a")(layers.Conv2D(2, 1, name="a")(x))
    y = layers.Conv2D(3, 1, name="b")(layers.ReLU()(inputs=y))
    model = randomise(keras.Model(x, y))
    set_beta(model, [0.0, 2.0])
    _, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    assert [fold.exact for fold in report.folded] == [1]


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({}, "exact"),
        ({"pad_to_aspect_ratio": True}, "interior"),
        ({"pad_to_aspect_ratio": True, "fill_value": 1.0}, "lost"),
    ],
)
def test_resizing_may_pad_a_border(settings, level):
    """What it pads with is not the constant that is folded."""
    x = keras.Input((5, 5, 1))
    y = layers.BatchNormalization(name="bn_a")(layers.Conv2D(2, 1, name="a")(x))
    y = layers.Conv2D(3, 1, name="b")(layers.Resizing(4, 8, **settings)(y))
    model = randomise(keras.Model(x, y))
    _, report = prune_model(model, PruningPlan.of(trace(model), {"a": [0]}))
    (fold,) = report.folded
    assert getattr(fold, level) == 1
