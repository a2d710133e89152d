"""Masked weights are zero after every step, whatever moves the weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.sparsity.nets import (
    Watch,
    alive,
    dense_net,
    numbers,
    quick_schedule,
    zero_shares,
)
from tfcompress import distill, sparsity, training
from tfcompress.sparsity import holding
from tfcompress.sparsity.pruned_model import state_of

optimizers = keras.optimizers
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.1),
    "amsgrad": lambda: optimizers.Adam(0.1, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.1, weight_decay=0.5),
    "rmsprop": lambda: optimizers.RMSprop(0.1, momentum=0.9, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.5),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adamax": lambda: optimizers.Adamax(0.1),
    "nadam": lambda: optimizers.Nadam(0.1),
    "ftrl": lambda: optimizers.Ftrl(0.1),
    "adafactor": lambda: optimizers.Adafactor(0.1),
    "lion": lambda: optimizers.Lion(0.1, weight_decay=0.5),
    "lamb": lambda: optimizers.Lamb(0.1),
    "muon": lambda: optimizers.Muon(0.1),
    "schedule-free": lambda: optimizers.ScheduleFreeAdamW(0.1),
    "clipnorm": lambda: optimizers.Adam(0.1, clipnorm=0.1),
    "global clipnorm": lambda: optimizers.SGD(0.1, global_clipnorm=0.1),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.1),
    "accumulation": lambda: optimizers.Adam(0.1, gradient_accumulation_steps=3),
    "ema": lambda: optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9),
    "ema overwriting": lambda: optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3
    ),
    "loss scale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.1)),
}
SOME = ("adamw", "ema", "accumulation")


TWINS = ("adamw", "nesterov", "ema", "loss scale", "adafactor")  # one of each kind


def each(*fast, among=tuple(OPTIMIZERS)):
    """Return optimizers; those that are not named are slow tests."""
    return [
        name if name in fast else pytest.param(name, marks=pytest.mark.slow)
        for name in among
    ]


def fitted(model, optimizer, *, epochs=3, fit=True, **settings):
    """Fit for four steps an epoch and return what was watched."""
    model.compile(optimizer, "mse", **settings)
    watch = Watch()
    if fit:
        x, y = numbers()
        model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, callbacks=[watch])
    return watch


@pytest.mark.parametrize("name", each(*SOME))
def test_with_every_optimizer(name):
    """Masks at steps 0 to 6 of 12: 20 %, 62 %, 78 %, 80 % of 100 weights."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())

    watch = fitted(model, OPTIMIZERS[name]())

    assert watch.alive == 0
    assert watch.shares == [0.2, 0.2, 0.62, 0.62, 0.78, 0.78, *[0.8] * 6]
    assert min(zero_shares(model).values()) >= 0.8
    plain = sparsity.strip(model)
    assert all(np.isfinite(weight).all() for weight in plain.get_weights())
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert optimizer.use_ema == ("ema" in name)
    for average in getattr(optimizer, "_model_variables_moving_average", ()):
        assert np.isfinite(average.numpy()).all()


@pytest.mark.parametrize("name", each("adamw", among=TWINS))
def test_with_the_accelerated_twin(name):
    """Its fused updates pass no constraint by."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    twin = training.accelerate(model)

    watch = fitted(twin, OPTIMIZERS[name]())

    assert (watch.alive, alive(model)) == (0, 0)
    assert zero_shares(sparsity.strip(model))["b"] == 0.8


@pytest.mark.parametrize(
    "name", ["nesterov", pytest.param("ema", marks=pytest.mark.slow)]
)
def test_averages_and_momenta_are_masked_too(name):
    """Right after masks were computed no slot of a masked weight is left."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule(end_step=12))
    model.compile(OPTIMIZERS[name](), "mse")
    x, y = numbers()
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    state = state_of(model)
    state.update(0.9)
    for variable, mask in zip(state.variables_pruned, state.masks, strict=True):
        found = list(holding.slots(model.optimizer, variable))
        assert len(found) == {"nesterov": 1, "ema": 3}[name]
        for slot in found:
            assert not slot.numpy()[~mask.numpy()].any()
            assert slot.numpy()[mask.numpy()].any()


def test_the_average_is_what_the_model_ends_with_and_keeps_the_zeros():
    model = sparsity.prune_low_magnitude(dense_net(), sparsity.constant(0.5))
    fitted(model, OPTIMIZERS["ema"](), epochs=1)
    state = state_of(model)
    optimizer = model.optimizer
    for variable, mask in zip(state.variables_pruned, state.masks, strict=True):
        index = optimizer._get_variable_index(variable)
        average = optimizer._model_variables_moving_average[index].numpy()
        np.testing.assert_array_equal(average == 0, ~mask.numpy())
        np.testing.assert_array_equal(variable.numpy(), average)


def test_masked_weights_do_not_count_in_a_clipped_norm():
    """Gradients: of the live weight 3, of the masked one 4. Clipped to norm 1 the live
    one is 1 if it is alone, and 3/5 if not; the rate is 0.5."""
    layer = keras.layers.Dense(1, use_bias=False, name="only")
    model = keras.Sequential([keras.Input((2,)), layer])
    layer.kernel.assign([[2.0], [1.0]])
    pruned = sparsity.prune_low_magnitude(
        model, sparsity.constant(0.5), layers=["only"]
    )
    pruned.compile(optimizers.SGD(0.5, global_clipnorm=1.0), lambda _, p: p)
    pruned.train_on_batch(np.array([[3.0, 4.0]]), np.zeros((1, 1)))
    kernel = pruned.get_layer("only").kernel.numpy().ravel()
    np.testing.assert_allclose(kernel, [1.5, 0.0], rtol=1e-6)


@pytest.mark.slow
def test_a_masked_weight_is_plus_zero():
    """The bits of -0.0 are not zero, and so compress badly."""
    model = sparsity.prune_low_magnitude(dense_net(), sparsity.constant(0.5))
    fitted(model, optimizers.AdamW(0.1), epochs=1)
    for variable in state_of(model).variables_pruned:
        assert not np.signbit(variable.numpy()[variable.numpy() == 0]).any()


def test_several_steps_per_execution():
    """4 steps in one call: the masks of step 2, and then of 4 and 6, lie inside."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    watch = fitted(model, "adam", steps_per_execution=5)
    assert watch.alive == 0
    assert watch.shares == [0.62, 0.8, 0.8]
    assert int(state_of(model).step.numpy()) == 12


@pytest.mark.slow
def test_under_xla():
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    assert fitted(model, "adam", jit_compile=True).alive == 0
    assert zero_shares(sparsity.strip(model))["c"] == 0.8


@pytest.mark.slow
def test_eagerly():
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    assert fitted(model, "adam", run_eagerly=True).alive == 0


@pytest.mark.slow
def test_in_mixed_precision():
    """The twin computes in half precision; kernels and masks stay as they are."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    twin = training.accelerate(model, precision="mixed_float16")
    optimizer = optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=8)
    assert fitted(twin, optimizer).alive == 0
    assert zero_shares(sparsity.strip(model))["b"] == 0.8


@pytest.mark.slow
def test_a_model_of_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
        watch = fitted(model, "adam")
    finally:
        keras.config.set_dtype_policy("float32")
    assert watch.alive == 0
    assert state_of(model).variables_pruned[0].dtype == "float32"


@pytest.mark.slow
def test_in_a_training_loop_of_ones_own():
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    optimizer = optimizers.Adam(0.1)
    x, y = (tf.constant(part) for part in numbers())

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(8):
        step()
        assert alive(model) == 0
    assert zero_shares(sparsity.strip(model))["b"] == 0.8


def test_predicting_does_not_count_as_a_step():
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    model.predict(numbers()[0], verbose=0)
    model(numbers()[0], training=False)
    assert int(state_of(model).step.numpy()) == 0


def test_with_a_teacher_by_the_distiller():
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    distiller = distill.Distiller(model, dense_net(1), kinds=["linear"])
    distiller.compile("adam", "mse")
    x, y = numbers()
    distiller.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert alive(model) == 0
    assert zero_shares(sparsity.strip(model)) == {"a": 0, "b": 0.8, "c": 0.8, "d": 0}


def test_the_models_own_constraint_still_holds():
    x = inputs = keras.Input((6,))
    x = keras.layers.Dense(10)(x)
    x = keras.layers.Dense(
        10, kernel_constraint=keras.constraints.MaxNorm(0.1), name="b"
    )(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    pruned = sparsity.prune_low_magnitude(model, sparsity.constant(0.5))
    fitted(pruned, optimizers.SGD(0.5), epochs=1)
    kernel = pruned.get_layer("b").kernel.numpy()
    assert np.linalg.norm(kernel, axis=0).max() <= 0.1 + 1e-6
    assert (kernel == 0).sum() == 50
    assert sparsity.strip(pruned).get_layer("b").kernel_constraint is not None


def test_sparsities_by_layer_are_reached_together():
    """With 0.4 and 0.9 on a schedule to 0.8: at 62 % b has 31, c 70 zeros."""
    model = sparsity.prune_low_magnitude(
        dense_net(), quick_schedule(), layers={"b": 0.4, "c": 0.9}
    )
    fitted(model, "sgd", epochs=1)
    assert zero_shares(model) == {"b": 0.31, "c": 0.7}
    fitted(model, "sgd", epochs=1)
    assert zero_shares(model) == {"b": 0.4, "c": 0.9}


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "zeros"), [("2:4", 0.4), ("5x2", 0.8)])
def test_patterns_hold_after_training(pattern, zeros):
    """10 inputs: two groups of four lose 2 each, the rest of two keeps both."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule(), pattern=pattern)
    fitted(model, "adam")
    assert zero_shares(sparsity.strip(model))["b"] == zeros


@pytest.mark.slow
def test_an_embedding_can_be_pruned_by_name():
    x = inputs = keras.Input((3,), dtype="int32")
    x = keras.layers.Embedding(10, 4, name="table")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    pruned = sparsity.prune_low_magnitude(
        model, sparsity.constant(0.5), layers=["table"]
    )
    pruned.compile(optimizers.Adam(0.1, clipnorm=1.0), "mse")
    ids = np.random.default_rng(0).integers(0, 10, (16, 3))
    pruned.fit(ids, np.zeros((16, 2)), verbose=0)
    assert (sparsity.strip(pruned).get_layer("table").get_weights()[0] == 0).sum() == 20
