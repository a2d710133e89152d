"""A pruned model speaks up before and after every fit, also of a model around it."""

from __future__ import annotations

import keras
import pytest

from tests.sparsity.nets import alive, dense_net, numbers, quick_schedule
from tfcompress import data, distill, errors, sparsity, training


def by_a_twin(model, epochs):
    twin = training.accelerate(model)
    twin.compile("sgd", "mse")
    twin.fit(*numbers(), batch_size=8, epochs=epochs, verbose=0)


def by_a_teacher(model, epochs):
    distiller = distill.Distiller(model, dense_net(1))
    distiller.compile("sgd", "mse")
    distiller.fit(*numbers(), batch_size=8, epochs=epochs, verbose=0)


def by_the_loop(model, epochs, wrap=None):
    dataset = data.Dataset.from_arrays(
        train=numbers(), task=data.Task.single("regression")
    )
    config = training.TrainConfig(epochs=epochs, batch_size=8)
    training.train(model, dataset, config=config, wrap=wrap)


def by_the_loop_and_a_teacher(model, epochs):
    by_the_loop(model, epochs, lambda _: distill.Distiller(model, dense_net(1)))


every_fit = pytest.mark.parametrize(
    "fit", [by_a_twin, by_a_teacher, by_the_loop, by_the_loop_and_a_teacher]
)


@pytest.fixture
def pruned():
    """Masks are due at steps 0 to 6; an epoch has 4 steps."""
    return sparsity.prune_low_magnitude(dense_net(), quick_schedule(frequency=1))


@every_fit
def test_one_that_is_too_short_is_told_once(pruned, caplog, fit):
    fit(pruned, epochs=1)
    assert caplog.text.count("The training ends before the schedule") == 1
    assert "after step 4, the last masks are due at step 6" in caplog.text


@every_fit
def test_one_that_is_long_enough_says_nothing(pruned, caplog, fit):
    fit(pruned, epochs=2)
    assert "schedule" not in caplog.text


@every_fit
def test_other_weights_over_the_zeros_are_refused(pruned, fit):
    """The masks would set some of the new weights to zero."""
    fit(pruned, epochs=2)
    pruned.get_layer("b").kernel.assign(dense_net(2).get_layer("b").kernel)
    before = alive(pruned)
    with pytest.raises(errors.ModelError, match=r"zeros are gone.*'b'"):
        fit(pruned, epochs=1)
    assert alive(pruned) == before > 0


def test_a_training_whose_callback_ends_it_is_told(pruned, caplog):
    """A distiller stops after 4 of 8 steps; it was foreseen to be long enough."""
    distiller = distill.Distiller(pruned, dense_net(1))
    distiller.compile("sgd", "mse")

    def stop(epoch, logs):  # noqa: ARG001 - Keras passes them
        distiller.stop_training = True

    callback = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    distiller.fit(*numbers(), 8, 2, 0, [callback])
    assert caplog.text.count("after step 4, the last masks are due at step 6") == 1
