"""A model that is being pruned is saved, loaded, cloned and resumed as any other."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.sparsity.nets import (
    Watch,
    alive,
    dense_net,
    numbers,
    quick_schedule,
    zero_shares,
)
from tests.training.networks import blobs, crossentropy
from tfcompress import errors, graph, sparsity, training
from tfcompress.sparsity.pruned_model import state_of


def trained(optimizer="adam", **settings):
    """Return a model in the middle of its schedule, at step 4 of 6."""
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule(), **settings)
    model.compile(optimizer, "mse")
    go_on(model)
    return model


def go_on(model):
    x, y = numbers()
    return model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"]


def test_saved_in_the_middle_it_goes_on_to_the_same_weights(tmp_path):
    model = trained(keras.optimizers.Adam(0.01, use_ema=True))
    model.save(tmp_path / "m.keras")

    loaded = keras.saving.load_model(tmp_path / "m.keras")

    state = state_of(loaded)
    assert int(state.step.numpy()) == 4
    assert state.skipped == {"a": "it is a first layer", "d": "it is a last layer"}
    for mask, old in zip(state.masks, state_of(model).masks, strict=True):
        np.testing.assert_array_equal(mask.numpy(), old.numpy())
    watch = Watch()
    x, y = numbers()
    loaded.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[watch])
    go_on(model)
    assert watch.alive == 0
    assert zero_shares(loaded) == {"b": 0.8, "c": 0.8}
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_twin_saves_a_model_that_goes_on(tmp_path):
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    twin = training.accelerate(model)
    twin.compile("adam", "mse")
    go_on(twin)
    twin.save(tmp_path / "m.keras")

    loaded = keras.saving.load_model(tmp_path / "m.keras")

    assert isinstance(loaded, sparsity.PrunedModel)
    assert int(state_of(loaded).step.numpy()) == 4
    go_on(loaded)
    assert (alive(loaded), zero_shares(loaded)["b"]) == (0, 0.8)


@pytest.mark.slow
def test_a_clone_is_pruned_as_well():
    model = trained()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    clone.compile("adam", "mse")
    go_on(clone)
    assert (alive(clone), zero_shares(clone)["b"]) == (0, 0.8)


def test_the_plain_model_saves_without_a_trace_of_this_package(tmp_path):
    plain = sparsity.strip(trained())
    plain.save(tmp_path / "m.keras")
    text = str(keras.saving.serialize_keras_object(plain))
    assert "tfcompress" not in text
    again = graph.load_model(tmp_path / "m.keras")
    assert zero_shares(again) == zero_shares(plain)


def test_weights_alone_bring_masks_and_step_along(tmp_path):
    model = trained()
    model.save_weights(tmp_path / "m.weights.h5")
    other = sparsity.prune_low_magnitude(dense_net(1), quick_schedule())
    other.load_weights(tmp_path / "m.weights.h5")
    assert (alive(other), int(state_of(other).step.numpy())) == (0, 4)


@pytest.mark.slow
def test_a_schedule_that_is_a_function_has_to_be_given_again(tmp_path):
    def mine(step):
        return step >= 0, 0.5

    model = sparsity.prune_low_magnitude(dense_net(), mine)
    model.compile("adam", "mse")
    go_on(model)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    with pytest.raises(errors.ModelError, match=r"'mine'.*sparsity\.resume"):
        go_on(loaded)
    sparsity.resume(loaded, mine)
    go_on(loaded)
    assert zero_shares(sparsity.strip(loaded))["b"] == 0.5


@pytest.mark.slow
def test_resume_takes_another_schedule_and_keeps_step_and_masks():
    model = trained()
    sparsity.resume(model, quick_schedule(0.9, end_step=8))
    assert int(state_of(model).step.numpy()) == 4
    model.compile("adam", "mse")
    go_on(model)
    go_on(model)
    assert zero_shares(model)["b"] == 0.9


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(tmp_path):
    """Stopped after the first of three epochs, and begun again from its state."""
    dataset = blobs(64)
    config = training.TrainConfig(epochs=3, batch_size=16, learning_rate=0.01)

    def net():
        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(x)
        for name in ("a", "b", "c"):
            x = keras.layers.Dense(8, activation="relu", name=name)(x)
        model = keras.Model(inputs, keras.layers.Dense(4)(x))
        model.compile("adam", crossentropy())
        return sparsity.prune_low_magnitude(model, quick_schedule(end_step=8))

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 1:
            raise StopError

    whole, cut = net(), net()
    training.train(whole, dataset, config=config)
    with pytest.raises(StopError):
        training.train(cut, dataset, config=config, state_dir=tmp_path, progress=stop)
    again = net()
    result = training.train(again, dataset, config=config, state_dir=tmp_path)

    assert result.epochs_run == 3
    assert zero_shares(again)["b"] == 0.796875  # 51 of 64 are the nearest
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
