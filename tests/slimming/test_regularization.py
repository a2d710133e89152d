"""Tests of `tfcompress.slimming.regularization` and `.rebuilding`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tests.slimming.fakes import small_net
from tfcompress import errors, graph, slimming, training
from tfcompress.slimming import (
    SparseBatchNormalization,
    regularize_scales,
    remove_regularization,
)

L = keras.layers


def images(count=4, size=8):
    return (
        np.random.default_rng(0).normal(size=(count, size, size, 3)).astype("float32")
    )


def nested_net():
    """A pretrained-like base inside a model with scaling and an operator."""
    inner = keras.Input((8, 8, 3))
    y = L.BatchNormalization(name="bn")(L.Conv2D(8, 3, name="conv")(inner))
    y = L.Conv2D(8, 3, name="last")(L.ReLU()(y))
    base = keras.Model(inner, L.BatchNormalization(name="bn_last")(y), name="base")
    x = keras.Input((8, 8, 3))
    y = L.GlobalAveragePooling2D()(base(L.Rescaling(0.5)(x) + 1.0))
    return keras.Model(x, L.Dense(3)(y), name="whole")


MODELS = {
    "chain": small_net,
    "residual": lambda: conv_bn_net((8, 8, 3), (8, 8), 4),
    "nested": nested_net,
    "sequential": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(8, 3), L.BatchNormalization(), L.Flatten(),
         L.Dense(2)]
    ),
    "lambda": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), L.Lambda(lambda x: 2 * x), L.Conv2D(8, 3),
         L.BatchNormalization(), L.Flatten(), L.Dense(2)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("proximal", [False, True])
def test_the_new_model_computes_the_same_with_weights_of_its_own(name, proximal):
    """Equal outputs; training one leaves the other as it is."""
    model = randomise(MODELS[name]())
    sparse = regularize_scales(model, proximal=proximal)
    x = images()
    np.testing.assert_array_equal(model(x), sparse(x))
    assert model.name == sparse.name
    ours = {id(variable) for variable in model.variables}
    assert not ours & {id(variable) for variable in sparse.variables}
    back = remove_regularization(sparse)
    np.testing.assert_array_equal(model(x), back(x))
    assert not back.losses


def test_the_penalty_is_strength_times_the_absolute_scales():
    """Scales (1, -2, ...) on 8 channels and nothing else."""
    model = small_net(8)
    gamma = np.array([1.0, -2, 0, 0, 0, 0, 0, 0.5])
    model.get_layer("bn0").gamma.assign(gamma)
    (loss,) = regularize_scales(model, strength=0.1).losses
    assert float(loss) == pytest.approx(0.35)


def test_the_gradient_is_the_papers_subgradient():
    """One SGD step on a constant loss moves each scale by rate x strength x sign."""
    model = small_net(8)
    gamma = np.array([1.0, -2, 0, 0.5, -0.5, 3, -3, 0])
    model.get_layer("bn0").gamma.assign(gamma)
    sparse = regularize_scales(model, strength=0.1)
    sparse.compile(keras.optimizers.SGD(0.5), loss=lambda _y, p: 0 * keras.ops.sum(p))
    sparse.fit(images(2), np.zeros((2, 4)), verbose=0)
    moved = sparse.get_layer("bn0").gamma.numpy()
    np.testing.assert_allclose(moved, gamma - 0.5 * 0.1 * np.sign(gamma), rtol=1e-5)


def test_only_channels_that_can_go_are_penalised():
    """The norm in front of the output has fixed channels."""
    x = keras.Input((8, 8, 3))
    y = L.BatchNormalization(name="free")(L.Conv2D(8, 3)(x))
    y = L.BatchNormalization(name="fixed")(L.Conv2D(4, 3)(L.ReLU()(y)))
    sparse = regularize_scales(keras.Model(x, L.GlobalAveragePooling2D()(y)))
    assert sparse.get_layer("free").gamma.regularizer is not None
    assert sparse.get_layer("fixed").gamma.regularizer is None


@pytest.mark.parametrize("proximal", [False, True])
def test_the_fast_twin_learns_with_the_penalty_too(proximal):
    """Twin and model agree after some steps of the same training."""
    settings = {"strength": 0.05, "proximal": proximal}
    models = [regularize_scales(small_net(8), **settings) for _ in range(2)]
    fitted = [models[0], training.accelerate(models[1])]
    x, y = images(32), np.arange(32) % 4
    for model in fitted:
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        monitor = slimming.SlimmingMonitor()
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[monitor])
    plain, fast = (model.get_layer("bn0").gamma.numpy() for model in models)
    assert (np.abs(plain) < 1).all()
    np.testing.assert_allclose(plain, fast, rtol=1e-4)


@pytest.mark.parametrize(
    "optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "lion"]
)
def test_any_optimizer_and_any_metric_will_do(optimizer):
    """Scales shrink under plain `fit`, several steps per execution included."""
    model = regularize_scales(small_net(8), strength=1.0)
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)],
        steps_per_execution=3,
    )
    history = model.fit(images(48), np.arange(48) % 4, batch_size=8, verbose=0).history
    assert {"accuracy", "sparse_top_k_categorical_accuracy"} <= set(history)
    assert (model.get_layer("bn0").gamma.numpy() < 1).all()


def test_a_compiled_model_stays_compiled_alike():
    """Loss and metrics are copied, the optimizer is a new one."""
    model = small_net(8)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    sparse = regularize_scales(model)
    assert sparse.loss == "sparse_categorical_crossentropy"
    assert sparse.optimizer is not model.optimizer
    assert "accuracy" in sparse.evaluate(
        images(), np.zeros(4), verbose=0, return_dict=True
    )


def test_a_loss_that_cannot_be_copied_leaves_it_uncompiled(caplog):
    """A local function has no name to find it by; the log says what to do."""
    model = small_net(8)
    model.compile("sgd", loss=lambda _y, p: keras.ops.sum(p))
    with caplog.at_level("INFO"):
        sparse = regularize_scales(model)
    assert not sparse.compiled
    assert "compile the new model yourself" in caplog.text


def freeze_base(model):
    model.get_layer("base").trainable = False


def freeze_inner_layers(model):
    for layer in model.get_layer("base").layers:
        layer.trainable = False


def freeze_all(model):
    model.trainable = False


@pytest.mark.parametrize(
    ("freeze", "line"),
    [
        (freeze_base, "for layer in model.layers: layer.trainable = True"),
        (
            freeze_inner_layers,
            "for layer in model.get_layer('base').layers: layer.trainable = True",
        ),
        (freeze_all, "model.trainable = True"),
    ],
)
def test_frozen_scales_are_refused_with_the_line_that_unfreezes_them(freeze, line):
    """A frozen base would train for nothing; the line in the message works."""
    model = nested_net()
    freeze(model)
    with pytest.raises(errors.ModelError, match="2 of 2 frozen") as caught:
        regularize_scales(model)
    assert f"`{line}`, or pass `unfreeze=True`" in str(caught.value)
    exec(line, {"model": model})
    assert regularize_scales(model).losses


@pytest.mark.parametrize("freeze", [freeze_base, freeze_inner_layers, freeze_all])
def test_unfreeze_trains_everything_and_leaves_the_original_frozen(freeze):
    """The explicit option."""
    model = nested_net()
    freeze(model)
    frozen = len(model.trainable_variables)
    sparse = regularize_scales(model, unfreeze=True)
    assert len(sparse.trainable_variables) > frozen
    assert len(model.trainable_variables) == frozen
    sparse.compile("sgd", "mse")
    before = sparse.get_layer("base").get_layer("bn").gamma.numpy().copy()
    sparse.fit(images(), np.zeros((4, 3)), verbose=0)
    assert (sparse.get_layer("base").get_layer("bn").gamma.numpy() != before).all()


def test_norms_without_scales_get_scales_of_one():
    """InceptionV3 writes its norms so; outputs stay equal."""
    x = keras.Input((8, 8, 3))
    y = L.BatchNormalization(scale=False, name="bn")(L.Conv2D(8, 3)(x))
    y = L.GlobalAveragePooling2D()(L.ReLU()(y))
    model = randomise(keras.Model(x, L.Dense(2)(y)))
    sparse = regularize_scales(model)
    np.testing.assert_allclose(model(images()), sparse(images()), rtol=1e-6, atol=1e-6)
    assert (sparse.get_layer("bn").gamma.numpy() == 1).all()
    assert len(sparse.losses) == 1


def test_frozen_norms_without_scales_are_refused_too():
    """The scales that they would get would be as frozen."""
    x = keras.Input((8, 8, 3))
    norm = L.BatchNormalization(scale=False, name="bn", trainable=False)
    y = L.GlobalAveragePooling2D()(norm(L.Conv2D(8, 3)(x)))
    with pytest.raises(errors.ModelError, match="1 of 1 frozen"):
        regularize_scales(keras.Model(x, L.Dense(2)(y)))


def test_the_models_own_l2_penalty_is_kept():
    """L2 on scales becomes L1 and L2, and L2 again at the end."""
    x = keras.Input((8, 8, 3))
    norm = L.BatchNormalization(
        gamma_regularizer=keras.regularizers.L2(0.25), name="bn"
    )
    y = L.GlobalAveragePooling2D()(norm(L.Conv2D(4, 3)(x)))
    sparse = regularize_scales(keras.Model(x, L.Dense(2)(y)), strength=0.5)
    assert float(sparse.losses[0]) == pytest.approx(4 * (0.5 + 0.25))
    plain = remove_regularization(sparse)
    assert float(plain.losses[0]) == pytest.approx(4 * 0.25)


def test_another_penalty_is_refused():
    """It cannot be combined, and dropping it would change the training."""
    x = keras.Input((8, 8, 3))
    penalty = keras.regularizers.OrthogonalRegularizer()
    norm = L.BatchNormalization(gamma_regularizer=penalty)
    y = L.GlobalAveragePooling2D()(norm(L.Conv2D(4, 3)(x)))
    with pytest.raises(errors.ModelError, match="OrthogonalRegularizer"):
        regularize_scales(keras.Model(x, L.Dense(2)(y)))


def test_a_model_without_norms_is_sent_to_another_criterion():
    """The message says what to do instead."""
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1)(L.Dense(8)(x)), name="plain")
    with pytest.raises(errors.ModelError, match="prune --criterion l1_norm"):
        regularize_scales(model)


def test_strength_must_be_above_zero():
    """No penalty is no slimming."""
    with pytest.raises(errors.ConfigError, match="strength=0"):
        regularize_scales(small_net(8), strength=0)


class NoConfig(L.Layer):
    """A layer with a weight that does not say how to be made again."""

    def __init__(self, start):
        super().__init__(name="no_config")
        self.scale = self.add_weight(shape=(), initializer=start)

    def call(self, inputs):
        return inputs * self.scale


def test_a_layer_that_cannot_be_made_again_is_named():
    """The message names the layer and the missing method."""
    x = keras.Input((8, 8, 3))
    y = L.BatchNormalization()(L.Conv2D(4, 3)(NoConfig("ones")(x)))
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
    with pytest.raises(errors.ModelError, match=r"'no_config'[\s\S]*get_config"):
        regularize_scales(model)


def test_a_sparse_model_survives_saving(tmp_path):
    """Penalty and soft threshold are still there after loading."""
    for proximal in (False, True):
        sparse = regularize_scales(small_net(8), strength=0.5, proximal=proximal)
        sparse.save(tmp_path / "sparse.keras")
        again = keras.models.load_model(tmp_path / "sparse.keras")
        norm = again.get_layer("bn0")
        kept = norm.gamma.constraint if proximal else norm.gamma.regularizer
        assert kept is not None
        np.testing.assert_array_equal(sparse(images()), again(images()))


def test_networks_of_sparse_layers_become_plain_ones():
    """No custom object is left, so the file loads anywhere."""
    x = keras.Input((8, 8, 3))
    y = SparseBatchNormalization(strength=0.1, name="bn")(L.Conv2D(4, 3)(x))
    model = randomise(keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y))))
    plain = remove_regularization(model)
    assert type(plain.get_layer("bn")) is L.BatchNormalization
    np.testing.assert_array_equal(model(images()), plain(images()))
    assert regularize_scales(model, strength=0.5).losses[0] > model.losses[0]


def test_sparse_layers_are_traced_and_scored_like_plain_ones():
    """Their scales are on the group's channels."""
    x = keras.Input((8, 8, 3))
    y = SparseBatchNormalization(name="bn")(L.Conv2D(4, 3, name="conv")(x))
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
    (group,) = graph.trace(model).groups
    assert [part.layer for part in group.scales] == ["bn"]


def test_the_models_own_constraint_holds_after_the_proximal_step(tmp_path):
    """Both act on the scales, and removing one leaves the other."""
    x = keras.Input((8, 8, 3))
    own = keras.constraints.NonNeg()
    y = L.BatchNormalization(gamma_constraint=own, name="bn")(L.Conv2D(4, 3)(x))
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
    sparse = regularize_scales(model, strength=0.5, proximal=True)
    sparse.compile(keras.optimizers.SGD(0.1), "mse")
    sparse.save(tmp_path / "sparse.keras")
    for one in (sparse, keras.models.load_model(tmp_path / "sparse.keras")):
        constraint = one.get_layer("bn").gamma_constraint
        constraint.learning_rate = 0.1
        found = constraint(np.array([1.0, -1.0], "float32"))
        np.testing.assert_allclose(found, [0.95, 0.0], rtol=1e-6)
        plain = remove_regularization(one).get_layer("bn")
        assert isinstance(plain.gamma_constraint, keras.constraints.NonNeg)


def test_a_sparse_layer_keeps_its_own_constraint_too():
    layer = SparseBatchNormalization(
        proximal=True, learning_rate=1.0, strength=0.5, gamma_constraint="non_neg"
    )
    again = SparseBatchNormalization.from_config(layer.get_config())
    for one in (layer, again):
        found = one.gamma_constraint(np.array([1.0, -1.0], "float32"))
        np.testing.assert_allclose(found, [0.5, 0.0])
