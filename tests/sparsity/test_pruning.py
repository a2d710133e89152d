"""Tests of `tfcompress.sparsity.pruning`: a graph goes in, the plain one comes out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings

from tests.models import conv_bn_net, randomise
from tests.sparsity.nets import (
    alive,
    dense_net,
    numbers,
    quick_schedule,
    zero_shares,
)
from tests.strategies import models as any_model
from tfcompress import errors, sparsity
from tfcompress.sparsity.pruned_model import state_of


def at_once(model, share=0.5, **given):
    """Prune without training."""
    pruned = sparsity.prune_low_magnitude(model, sparsity.constant(share), **given)
    state_of(pruned).update(share)
    return pruned


def same_outputs(one, other, x):
    for a, b in zip(
        keras.tree.flatten(one(x, training=False)),
        keras.tree.flatten(other(x, training=False)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_model_itself_is_not_changed():
    model = dense_net()
    before = model.get_weights()
    sparse = at_once(model)
    sparse.compile("sgd", "mse")
    sparse.fit(*numbers(), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(v.constraint is None for v in model.trainable_variables)


def test_before_training_it_computes_what_the_model_does():
    model = randomise(conv_bn_net())
    sparse = sparsity.prune_low_magnitude(model, sparsity.constant(0.5))
    x = np.random.default_rng(0).random((4, 12, 12, 3), np.float32)
    same_outputs(model, sparse, x)
    assert sparse.name == model.name
    assert sparse.get_layer("conv1") is not model.get_layer("conv1")


def test_stripping_gives_the_plain_layers_with_zeros():
    model = randomise(conv_bn_net())
    sparse = at_once(model)
    plain = sparsity.strip(sparse)
    assert type(plain) is type(model)
    assert [layer.name for layer in plain.layers] == [x.name for x in model.layers]
    assert plain.count_params() == model.count_params()
    x = np.random.default_rng(0).random((4, 12, 12, 3), np.float32)
    same_outputs(sparse, plain, x)
    kernel = model.get_layer("conv1").kernel.numpy()
    kept = np.where(np.abs(kernel) > np.median(np.abs(kernel)), kernel, 0)
    np.testing.assert_array_equal(plain.get_layer("conv1").kernel.numpy(), kept)


def test_a_sequential_model_comes_back_as_one():
    model = keras.Sequential(
        [keras.Input((6,), name="in")]
        + [keras.layers.Dense(6, name=name) for name in "abc"],
        name="chain",
    )
    model.compile("adam", "mse")
    sparse = at_once(model)
    plain = sparsity.strip(sparse)
    assert isinstance(plain, keras.Sequential)
    assert (plain.name, plain.compiled, sparse.compiled) == ("chain", True, True)
    same_outputs(sparse, plain, numbers()[0])
    assert zero_shares(plain) == {"a": 0, "b": 0.5, "c": 0}


@pytest.mark.slow
def test_several_inputs_and_outputs_by_name():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    x = keras.layers.Concatenate()([left, right])
    for name in ("a", "b", "c"):
        x = keras.layers.Dense(8, name=name)(x)
    outputs = {
        "one": keras.layers.Dense(2, name="one")(x),
        "two": keras.layers.Dense(1, name="two")(x),
    }
    model = keras.Model({"left": left, "right": right}, outputs)
    sparse = at_once(model)
    rng = np.random.default_rng(0)
    x = {"left": rng.random((8, 4)), "right": rng.random((8, 3))}
    y = {"one": np.zeros((8, 2)), "two": np.zeros((8, 1))}
    same_outputs(sparse, sparsity.strip(sparse), x)
    sparse.compile("adam", {"one": "mse", "two": "mse"})
    sparse.fit(x, y, verbose=0)
    assert alive(sparse) == 0
    assert list(sparsity.strip(sparse)(x)) == ["one", "two"]


def test_nested_and_shared_layers_stay_nested_and_shared():
    shared = keras.layers.Dense(4, name="shared")
    inner_in = keras.Input((4,))
    inner = keras.Model(
        inner_in, keras.layers.Dense(4, name="inside")(inner_in), name="inner"
    )
    x = inputs = keras.Input((4,))
    x = shared(inner(shared(keras.layers.Dense(4, name="first")(x))))
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(x))
    sparse = at_once(model)
    sparse.compile("sgd", "mse")
    sparse.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    plain = sparsity.strip(sparse)
    assert zero_shares(plain) == {"first": 0, "shared": 0.5, "inside": 0.5, "last": 0}
    assert isinstance(plain.get_layer("inner"), keras.Model)
    assert plain.count_params() == model.count_params()
    assert inner.get_layer("inside").kernel.constraint is None


@settings(max_examples=6, deadline=None)
@given(any_model())
def test_any_graph_goes_through_and_back(model):
    """Rules 1-4 of the selection leave something, or the error says why not."""
    try:
        sparse = at_once(model)
    except errors.ModelError as error:
        if "nothing to prune" not in str(error):
            raise
        return
    plain = sparsity.strip(sparse)
    x = [
        np.random.default_rng(0).random((2, *t.shape[1:]), np.float32)
        for t in model.inputs
    ]
    x = keras.tree.pack_sequence_as(getattr(model, "_inputs_struct", x[0]), x)
    same_outputs(sparse, plain, x)
    report = sparsity.report(sparse)
    assert all(k.zeros == k.size - max(1, round(k.size / 2)) for k in report.kernels)
    assert not {k.layer for k in report.kernels} & set(report.skipped)


def test_amcs_sparsities_can_be_given():
    """A plain mapping from layers to fractions, as `AmcResult.sparsities`."""
    sparse = sparsity.prune_low_magnitude(
        dense_net(), quick_schedule(0.9), layers={"a": 0.5, "b": 0.9, "c": 0.0}
    )
    state_of(sparse).update(0.9)
    assert zero_shares(sparsity.strip(sparse)) == {"a": 0.5, "b": 0.9, "c": 0, "d": 0}


def test_sparsities_by_layer_need_a_schedule_with_an_end():
    with pytest.raises(errors.ConfigError, match="where it ends"):
        sparsity.prune_low_magnitude(
            dense_net(), lambda step: (step >= 0, 0.5), layers={"b": 0.5}
        )


def test_n_of_m_has_one_sparsity():
    with pytest.raises(errors.ConfigError, match=r"0\.5 or more.*2:4"):
        sparsity.prune_low_magnitude(dense_net(), sparsity.constant(0.3), pattern="2:4")


def test_what_is_being_pruned_is_not_pruned_again():
    with pytest.raises(errors.ModelError, match=r"already.*resume"):
        at_once(at_once(dense_net()))


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(errors.ModelError, match="no graph"):
        at_once(Own())


def test_zeros_are_kept_while_training_goes_on():
    plain = sparsity.strip(at_once(dense_net()))
    held = sparsity.keep_zeros(plain)
    held.compile(keras.optimizers.AdamW(0.1), "mse")
    held.fit(*numbers(), epochs=2, verbose=0)
    again = sparsity.strip(held)
    for name in ("b", "c"):
        before, after = (m.get_layer(name).kernel.numpy() for m in (plain, again))
        np.testing.assert_array_equal(before == 0, after == 0)
        assert (before != after).any()
    assert sparsity.report(held).skipped == {
        "a": "it has no zeros",
        "d": "it has no zeros",
    }


@pytest.mark.slow
def test_zeros_of_a_wrapped_layer_are_kept():
    """As quantization-aware training wraps layers: the kernel lies inside."""
    x = inputs = keras.Input((3, 4))
    inner = keras.layers.Dense(4, name="inner")
    x = keras.layers.TimeDistributed(inner, name="wrapped")(x)
    model = keras.Model(inputs, x)
    inner.kernel.assign(np.eye(4))
    held = sparsity.keep_zeros(model)
    held.compile("adam", "mse")
    held.fit(np.ones((8, 3, 4)), np.ones((8, 3, 4)), verbose=0)
    kernel = sparsity.strip(held).get_layer("wrapped").layer.kernel.numpy()
    np.testing.assert_array_equal(kernel == 0, np.eye(4) == 0)


def test_without_zeros_there_is_nothing_to_keep():
    with pytest.raises(errors.ModelError, match=r"no zeros to keep"):
        sparsity.keep_zeros(dense_net())


def test_other_weights_over_the_zeros_are_told_with_the_numbers():
    model = dense_net()
    sparse = at_once(model)
    sparse.get_layer("b").kernel.assign(model.get_layer("b").kernel)
    sparse.compile("adam", "mse")
    with pytest.raises(errors.ModelError, match=r"50 of 50.*'b'.*apply_masks"):
        sparse.fit(*numbers(), verbose=0)
    with pytest.raises(errors.ModelError, match="zeros are gone"):
        sparsity.strip(sparse)
    assert zero_shares(sparsity.strip(sparse, check=False))["b"] == 0
    sparsity.apply_masks(sparse)
    sparse.fit(*numbers(), verbose=0)
    assert alive(sparse) == 0


def test_functions_of_pruning_refuse_a_plain_model():
    for function in (sparsity.apply_masks, state_of):
        with pytest.raises(errors.ModelError, match="not being pruned"):
            function(dense_net())
    with pytest.raises(errors.ModelError, match="not being pruned"):
        sparsity.resume(dense_net(), sparsity.constant(0.5))
    assert zero_shares(sparsity.strip(dense_net()))["b"] == 0  # a copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings_of_fit", "expected"),
    [
        ({"epochs": 1}, "after step 4, the last masks are due at step 6"),
        ({"epochs": 3, "initial_epoch": 2}, "after step 4,"),
        ({"steps_per_epoch": 3, "epochs": 2}, "after step 6,"),
    ],
)
def test_a_fit_that_is_too_short_is_told(caplog, settings_of_fit, expected):
    sparse = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    sparse.compile("sgd", "mse")
    x, y = numbers()
    sparse.fit(x, y, batch_size=8, verbose=0, **settings_of_fit)
    assert expected in caplog.text
    assert "of 0.80 is reached" in caplog.text


@pytest.mark.slow
def test_a_fit_of_unknown_length_is_told_at_its_end(caplog):
    sparse = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    sparse.compile("sgd", "mse")
    x, y = numbers()
    sparse.fit(
        ((x[i : i + 8], y[i : i + 8]) for i in range(0, 32, 8)), epochs=1, verbose=0
    )
    assert "after step 4" in caplog.text


def test_a_fit_that_is_long_enough_says_nothing(caplog):
    sparse = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    sparse.compile("sgd", "mse")
    x, y = numbers()
    sparse.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert "ends before the schedule" not in caplog.text


def chain(*layers):
    """Return a Sequential model of four inputs with random weights."""
    return randomise(keras.Sequential([keras.Input((4,)), *layers], name="chain"))


def repeated(kind):
    """Return layers among which one, of a kind, is there twice."""
    dense = keras.layers.Dense
    if kind == "relu":
        relu = keras.layers.ReLU()
        return [dense(8), relu, dense(8, name="b"), relu, dense(2)]
    if kind == "dense":
        twice = dense(4, activation="tanh", name="b")
        return [twice, dense(4), twice, dense(4), twice]
    relu = keras.layers.ReLU()
    inner = keras.Sequential([keras.Input((8,)), dense(8, name="b"), relu, dense(8)])
    inner.add(relu)
    return [dense(8), inner, relu, inner, dense(2)]


@pytest.mark.parametrize("kind", ["relu", "dense", "nested"])
def test_a_layer_that_a_sequential_model_holds_twice_is_called_twice(kind):
    model = chain(*repeated(kind))
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    untouched = sparsity.prune_low_magnitude(
        model, sparsity.constant(0.0), layers=["b"]
    )
    plain = sparsity.strip(untouched)
    assert isinstance(plain, keras.Sequential)
    names = [layer.name for layer in model.layers]
    assert [layer.name for layer in plain.layers] == names
    assert [type(layer) for layer in plain.layers] == [type(x) for x in model.layers]
    assert plain.count_params() == model.count_params()
    same_outputs(model, plain, x)


def test_a_layer_of_the_plain_model_is_in_its_own_graph():
    plain = sparsity.strip(at_once(chain(*repeated("relu")), layers=["b"]))
    part = keras.Model(plain.inputs, plain.get_layer("b").output)
    assert part(np.ones((2, 4))).shape == (2, 8)


def test_a_sequential_model_with_masked_steps_comes_back_as_one():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(4, return_sequences=True, name="b"),
            layers.LSTM(4),
            layers.Dense(2),
        ]
    )
    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]])
    pruned = sparsity.prune_low_magnitude(model, sparsity.constant(0.0))
    plain = sparsity.strip(pruned)
    assert isinstance(plain, keras.Sequential)
    same_outputs(model, plain, x)


def test_a_model_around_a_pruned_sequential_one_is_no_chain():
    """What was Sequential once is a branch now."""
    pruned = at_once(chain(*repeated("relu")), layers=["b"])
    x = keras.Input((4,))
    around = keras.Model(x, keras.layers.Add()([pruned(x), keras.layers.Dense(2)(x)]))
    two = keras.Model(pruned.inputs, [pruned.output, pruned.get_layer("b").output])
    for model in (around, two):
        same_outputs(model, sparsity.strip(model), np.ones((2, 4), "float32"))


@pytest.mark.parametrize("place", ["layer", "input", "nested"])
def test_layers_of_the_models_own_may_have_the_states_name(place, tmp_path):
    """The state takes another name, which is saved."""
    name = "sparsity_state"
    inner_in = keras.Input((6,))
    inner = keras.Model(
        inner_in,
        keras.layers.Dense(6, name=name if place == "nested" else None)(inner_in),
    )
    x = inputs = keras.Input((6,), name=name if place == "input" else "in")
    x = keras.layers.Dense(6, name="a")(x)
    x = keras.layers.Dense(6, name=name if place == "layer" else "b")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="d")(inner(x)))

    pruned = at_once(model)
    pruned.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")

    assert state_of(loaded).name == "sparsity_state_1"
    assert zero_shares(loaded) == zero_shares(pruned)
    loaded.compile("sgd", "mse")
    loaded.fit(*numbers(), verbose=0)
    assert alive(loaded) == 0
    names = [layer.name for layer in sparsity.strip(loaded).layers]
    assert names == [layer.name for layer in model.layers]


def test_a_train_step_of_the_models_own_is_told_to_be_left_behind(caplog):
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    model = dense_net()
    pruned = at_once(Own(model.inputs, model.outputs))
    assert "train_step of its class Own" in caplog.text
    caplog.clear()
    sparsity.strip(pruned)
    at_once(model)
    assert caplog.text == ""


def fit_for_six_epochs(callbacks, **settings):
    """Fit for 24 steps of a schedule to 80 % that ends at step 20."""
    schedule = sparsity.polynomial_decay(0.0, 0.8, end_step=20, frequency=1)
    sparse = sparsity.prune_low_magnitude(dense_net(), schedule)
    sparse.compile("sgd", "mse")
    x, y = numbers()
    sparse.fit(x, y, 8, 6, 0, callbacks, **settings)
    return sparse


def test_callbacks_may_be_given_by_position():
    """As a list or as a single one."""
    seen = keras.callbacks.History()
    sparse = fit_for_six_epochs([seen])
    assert len(seen.epoch) == 6
    sparse.fit(*numbers(), 8, 1, 0, seen)
    assert len(seen.epoch) == 1


class Stop(keras.callbacks.Callback):
    """Ends the training after the second epoch."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002 - Keras passes it
        self.model.stop_training = epoch == 1


class PutBack(keras.callbacks.Callback):
    """Puts the weights of the second epoch back in the end."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002 - Keras passes it
        if epoch == 1:
            self.weights = self.model.get_weights()

    def on_train_end(self, logs=None):  # noqa: ARG002 - Keras passes it
        self.model.set_weights(self.weights)


@pytest.mark.parametrize("callback", [Stop, PutBack])
def test_a_fit_that_ends_otherwise_than_foreseen_is_told_with_the_numbers(
    caplog, callback
):
    """At step 7, the last one before 8: 0.8 - 0.8 * (13 / 20)^3 = 0.58."""
    fit_for_six_epochs([callback()])
    assert caplog.text.count("The training ends before the schedule") == 1
    assert "after step 8, the last masks are due at step 20" in caplog.text
    assert "a sparsity of 0.58 of 0.80 is reached" in caplog.text
    assert "Train for 13 more steps" in caplog.text


def test_early_stopping_that_restores_the_best_weights_is_told(caplog):
    """The first epoch's are the best: its 4 steps count, not the 24 that ran."""
    fit_for_six_epochs(
        [
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: logs.update(score=epoch)
            ),
            keras.callbacks.EarlyStopping(
                "score", mode="min", patience=5, restore_best_weights=True
            ),
        ]
    )
    assert "after step 4, the last masks are due at step 20" in caplog.text


def test_what_was_foreseen_is_told_once(caplog):
    fit_for_six_epochs([], steps_per_epoch=2)
    assert caplog.text.count("ends before the schedule") == 1


def test_masks_that_come_too_seldom_are_told_with_the_real_sparsity(caplog):
    """Masks at step 0 alone: the schedule says 58 % after 8 steps, but none is zero."""
    schedule = sparsity.polynomial_decay(0.0, 0.8, end_step=20)
    sparse = sparsity.prune_low_magnitude(dense_net(), schedule)
    sparse.compile("sgd", "mse")
    sparse.fit(*numbers(), batch_size=8, epochs=2, verbose=0)
    assert "a sparsity of 0.00 of 0.80 is reached" in caplog.text


@pytest.mark.slow
def test_a_schedule_that_was_over_before_it_began_is_told(caplog):
    sparse = fit_for_six_epochs([])
    assert caplog.text == ""
    sparsity.resume(sparse, quick_schedule(0.9))
    sparse.fit(*numbers(), verbose=0)
    assert "The schedule is over, but its sparsity is not reached" in caplog.text
    assert "the sparsity is 0.80 of 0.90" in caplog.text
