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
