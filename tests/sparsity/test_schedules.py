"""Tests of `tfcompress.sparsity.schedules`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcompress import errors, sparsity
from tfcompress.sparsity import schedules


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.5), (500, 0.7625), (1000, 0.8), (5000, 0.8)]
)
def test_polynomial_decay_has_the_known_values(step, expected):
    """0.8 - 0.3 * (1 - 0.5)^3 = 0.7625 in the middle."""
    schedule = sparsity.polynomial_decay(0.5, 0.8, end_step=1000)
    assert schedule(step)[1] == pytest.approx(expected, abs=1e-12)


def test_it_gives_tensors_for_tensors():
    schedule = sparsity.polynomial_decay(0.5, 0.8, end_step=1000)
    turn, value = tf.function(schedule)(tf.constant(500, tf.int64))
    assert bool(turn)
    assert float(value) == pytest.approx(0.7625)


def test_masks_are_due_on_frequency_and_at_the_end():
    """From 10, every 4 steps, and at 21 although 21 - 10 is no multiple of 4."""
    schedule = sparsity.polynomial_decay(
        0.0, 0.5, begin_step=10, end_step=21, frequency=4
    )
    due = [step for step in range(40) if schedule(step)[0]]
    assert due == [10, 14, 18, 21]
    assert schedule(21)[1] == pytest.approx(0.5)


def test_constant_goes_on_forever_or_ends():
    assert [s for s in range(9) if sparsity.constant(0.5, frequency=4)(s)[0]] == [
        0,
        4,
        8,
    ]
    ends = sparsity.constant(0.5, begin_step=1, end_step=3, frequency=2)
    assert [s for s in range(9) if ends(s)[0]] == [1, 3]


def test_a_schedule_of_one_step_reaches_its_end():
    schedule = sparsity.polynomial_decay(0.1, 0.6, begin_step=3, end_step=3)
    assert schedule(3) == (True, pytest.approx(0.6))
    assert not schedule(4)[0]


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, "0.5"])
def test_a_sparsity_outside_its_range_is_refused(value):
    with pytest.raises(errors.ConfigError, match=r"in \[0, 1\)"):
        sparsity.constant(value)
    with pytest.raises(errors.ConfigError, match=r"final_sparsity.*in \[0, 1\)"):
        sparsity.polynomial_decay(0.0, value, end_step=10)


def test_an_end_before_the_beginning_is_refused_with_both():
    with pytest.raises(errors.ConfigError, match=r"end_step=5.*begin_step=10"):
        sparsity.polynomial_decay(0.0, 0.5, begin_step=10, end_step=5)
    with pytest.raises(errors.ConfigError, match="ends before it begins"):
        sparsity.constant(0.5, begin_step=10, end_step=5)


@pytest.mark.parametrize("wrong", [0.8, "polynomial", lambda step: step])
def test_what_is_no_schedule_is_refused(wrong):
    with pytest.raises(errors.ConfigError, match="no schedule"):
        schedules.check(wrong)


def test_a_foreign_object_that_ends_before_it_begins_is_refused():
    class Backwards:
        begin_step, end_step = 5, 3

        def __call__(self, step):
            return step >= 0, 0.5

    with pytest.raises(errors.ConfigError, match="ends before it begins"):
        schedules.check(Backwards())


@pytest.mark.parametrize(
    "schedule",
    [sparsity.polynomial_decay(0.1, 0.8, end_step=7), sparsity.constant(0.25)],
)
def test_ours_survive_saving(schedule):
    assert schedules.deserialize(schedules.serialize(schedule)) == schedule


def test_a_function_is_saved_as_its_name():
    def mine(step):
        return step >= 0, 0.5

    assert schedules.deserialize(schedules.serialize(mine)).lost == "mine"


def test_a_registered_object_is_saved():
    @keras.saving.register_keras_serializable(package="sparsity_tests")
    class Mine:
        def __init__(self, share=0.5):
            self.share = share

        def __call__(self, step):
            return step >= 0, self.share

        def get_config(self):
            return {"share": self.share}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    saved = schedules.serialize(Mine(0.25))
    assert schedules.deserialize(saved).share == 0.25


def test_ends_are_read_from_ours_and_from_tfmots_names():
    decay = sparsity.polynomial_decay(0.1, 0.8, end_step=7)
    forever = sparsity.constant(0.5, begin_step=3)
    assert (schedules.last_step(decay), schedules.final_sparsity(decay)) == (7, 0.8)
    assert (schedules.last_step(forever), schedules.final_sparsity(forever)) == (3, 0.5)
    assert schedules.last_step(lambda _: (True, 0.5)) is None


@pytest.mark.parametrize("name", ["begin_step", "end_step", "frequency", "power"])
@pytest.mark.parametrize("value", ["9", None, [9]])
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(errors.ConfigError, match=rf"{name}=.*must be a .*number"):
        sparsity.polynomial_decay(**{"end_step": 10, name: value})
    if name != "power":
        with pytest.raises(errors.ConfigError, match=rf"{name}=.*whole number"):
            sparsity.constant(0.5, **{name: value})


def test_a_step_between_two_steps_is_refused():
    """No step equals 9.5, so the last masks would never be computed."""
    with pytest.raises(errors.ConfigError, match=r"end_step=9\.5.*whole number"):
        sparsity.polynomial_decay(end_step=9.5)


def test_numbers_of_numpy_are_numbers():
    schedule = sparsity.polynomial_decay(end_step=np.int64(9), frequency=np.int32(2))
    assert schedule(9) == (True, pytest.approx(0.8))


@pytest.mark.parametrize("name", ["begin_step", "end_step", "final_sparsity"])
def test_a_foreign_object_with_what_is_no_number_is_refused(name):
    class Odd:
        def __call__(self, step):
            return step >= 0, 0.5

    setattr(Odd, name, "7")
    with pytest.raises(errors.ConfigError, match=f"{name}='7'"):
        schedules.check(Odd())
