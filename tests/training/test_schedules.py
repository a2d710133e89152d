"""Learning rates and optimizers of a `TrainConfig`."""

from __future__ import annotations

import keras
import pytest

from tfcompress import training
from tfcompress.training import schedules


def rates(steps, at, **settings):
    schedule = schedules.Schedule(
        training.TrainConfig(learning_rate=1.0, **settings), steps=steps
    )
    return [round(float(schedule(step)), 4) for step in at]


def test_cosine():
    """cos(pi/3) = 1/2, so a third of the way leaves 3/4."""
    assert rates(300, [0, 100, 150, 300, 400]) == [1.0, 0.75, 0.5, 0.0, 0.0]


def test_warmup_then_cosine():
    """A tenth of the steps rises linearly, the cosine takes the rest."""
    found = rates(100, [0, 4, 9, 10, 55], warmup_fraction=0.1)
    assert found == [0.1, 0.5, 1.0, 1.0, 0.5]


def test_steps_scale_with_the_length():
    """Milestones are fractions: an arm twice as long drops at twice the step."""
    assert rates(100, [49, 50, 75], schedule="step") == [1.0, 0.1, 0.01]
    assert rates(200, [99, 100, 150], schedule="step") == [1.0, 0.1, 0.01]


def test_constant_stays_settable():
    """Callbacks such as ReduceLROnPlateau may lower it."""
    config = training.TrainConfig(schedule="constant", learning_rate=0.25)
    optimizer = schedules.optimizer(config, steps=10)
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5


def test_survives_serialization():
    """A saved optimizer finds its schedule again."""
    config = training.TrainConfig(
        schedule="step", milestones=(0.2,), warmup_fraction=0.1
    )
    schedule = schedules.Schedule(config, steps=50)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert [float(copy(s)) for s in range(50)] == [
        float(schedule(s)) for s in range(50)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("sgd", keras.optimizers.SGD),
    ],
)
def test_optimizer(name, kind):
    """Each name gives its Keras optimizer, with the decay asked for."""
    config = training.TrainConfig(optimizer=name, weight_decay=0.01)
    optimizer = schedules.optimizer(config, steps=10)
    assert type(optimizer) is kind
    assert optimizer.weight_decay == 0.01
