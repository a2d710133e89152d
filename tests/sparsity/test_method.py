"""Tests of `sparsity.sparsify` and its settings."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from tests.sparsity.nets import zero_shares
from tests.training.networks import blobs, crossentropy
from tfcompress import distill, errors, sparsity
from tfcompress.sparsity import method


def small_net(seed=0):
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((8, 8, 3))
    for name in ("a", "b", "c"):
        x = keras.layers.Conv2D(8, 3, padding="same", name=name)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(4, name="d")(x))
    model.compile("adam", crossentropy())
    return model


def config(**given):
    settings = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}
    return sparsity.SparsifyConfig(**{**settings, **given})


def test_the_schedule_ends_before_the_training_does():
    """100 steps: masks until step 70, at least ten times, and always at the end."""
    schedule = sparsity.SparsifyConfig().schedule_for(steps=100)
    assert (schedule.begin_step, schedule.end_step, schedule.frequency) == (0, 70, 7)
    long = sparsity.SparsifyConfig(begin_fraction=0.1).schedule_for(steps=100_000)
    assert (long.begin_step, long.end_step, long.frequency) == (10_000, 70_000, 100)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("end_fraction", [0.1, 1.0])
def test_a_training_of_few_steps_reaches_its_end(steps, end_fraction):
    settings = sparsity.SparsifyConfig(end_fraction=end_fraction)
    schedule = settings.schedule_for(steps=steps)
    assert any(schedule(s) == (True, pytest.approx(0.8)) for s in range(steps))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sparsity": 1.0}, r"sparsity=1.0.*\[0, 1\)"),
        ({"sparsity": -0.1}, r"sparsity=-0.1"),
        ({"initial_sparsity": 2}, "initial_sparsity=2"),
        ({"begin_fraction": 0.8, "end_fraction": 0.5}, "ends before it begins"),
        ({"pattern": "4"}, "no such pattern"),
        ({"pattern": "2:4", "sparsity": 0.3}, "0.5 or more"),
        ({"early_stopping": 3}, "early_stopping=3"),
        ({"power": 0}, "power=0"),
        ({"plan": "p.json", "layers": ("a",)}, "left out with a plan"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, expected):
    with pytest.raises(errors.ConfigError, match=expected):
        sparsity.SparsifyConfig(**given)


@pytest.mark.parametrize(
    ("content", "expected"),
    [({"groups": 1}, "no sparsities by layer"), ({"sparsities": {}}, "no sparsities")],
)
def test_a_plan_without_sparsities_is_refused(tmp_path, content, expected):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content))
    with pytest.raises(errors.DataError, match=expected):
        method.read_layers(config(plan=str(path)))


def test_it_prunes_while_it_trains():
    model = small_net()
    before = model.get_weights()

    result = sparsity.sparsify(model, blobs(96), config=config(sparsity=0.75))

    assert zero_shares(result.model) == {"a": 0, "b": 0.75, "c": 0.75, "d": 0}
    assert type(result.model) is type(model)
    assert result.history["sparsity"][-1] == 0.75
    assert result.records[-1]["kernels"] == {"b/kernel": 0.75, "c/kernel": 0.75}
    assert result.report.skipped == {
        "a": "it is a first layer",
        "d": "it is a last layer",
    }
    assert (
        result.schedule["end_step"] == 7
    )  # 70 % of 80 % of 96 examples, 5 steps, twice
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_with_a_teacher_and_a_plan(tmp_path):
    """The sparsities of a plan are reached, each its own."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"sparsities": {"b": 0.5, "c": 0.875, "d": 0.0}}))
    teacher = small_net(1)

    result = sparsity.sparsify(
        small_net(),
        blobs(96),
        config=config(plan=str(path)),
        wrap=lambda student: distill.Distiller(student, teacher),
    )

    assert zero_shares(result.model) == {"a": 0, "b": 0.5, "c": 0.875, "d": 0}
    assert result.history["distillation_loss"][0] > 0


@pytest.mark.slow
def test_it_learns_in_spite_of_the_zeros():
    """Four classes; 70 % of the kernels are zero."""
    settings = config(sparsity=0.7, epochs=12)
    result = sparsity.sparsify(small_net(), blobs(640), config=settings)
    assert result.history["val_accuracy"][-1] > 0.8


@pytest.mark.slow
def test_a_callback_that_ends_the_training_early_is_told_of_the_schedule(caplog):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002 - Keras passes them
            self.model.stop_training = True

    sparsity.sparsify(small_net(), blobs(64), config=config(), callbacks=[Stop()])
    assert caplog.text.count("The training ends before the schedule") == 1
