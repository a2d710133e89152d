"""Tests of `tfcompress.amc.replay`."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.amc.replay import FIELDS, ReplayBuffer, Transitions


def rows(*numbers: float) -> Transitions:
    """Transitions that are all told by one number each."""
    column = np.array(numbers, np.float32)
    return Transitions(
        observation_tm1=np.stack([column, column + 0.25], axis=1),
        action_tm1=column + 0.5,
        reward_t=-column,
        discount_t=(column % 2).astype(np.float32),
        observation_t=np.stack([column + 1, column + 1.25], axis=1),
    )


def numbers(transitions: Transitions) -> list[float]:
    """Return the numbers of `rows` back."""
    return transitions.observation_tm1[:, 0].tolist()


def test_rows_stay_together():
    """Every field of a sampled row is of the same transition."""
    buffer = ReplayBuffer(8, 2, seed=0)
    buffer.add(rows(1, 2, 3, 4, 5))
    sampled = buffer.sample(32)
    wanted = rows(*numbers(sampled))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(sampled, name), getattr(wanted, name))


def test_the_oldest_are_overwritten_once_it_is_full():
    """Of 3 + 3 rows in 4 places the first two are gone; a long add keeps its end."""
    buffer = ReplayBuffer(4, 2, seed=0)
    buffer.add(rows(1, 2, 3))
    assert len(buffer) == 3
    buffer.add(rows(4, 5, 6))
    assert len(buffer) == buffer.capacity == 4
    assert set(numbers(buffer.sample(200))) == {3, 4, 5, 6}
    buffer.add(rows(*range(10, 19)))
    assert set(numbers(buffer.sample(200))) == {15, 16, 17, 18}


def test_sampling_is_uniform():
    """Of 10,000 draws each of 10 rows gets a tenth: chi squared of 9 degrees of freedom
    stays under 27.9 with a probability of 99.9 %."""
    buffer = ReplayBuffer(10, 2, seed=4)
    buffer.add(rows(*range(10)))
    counts = np.bincount(np.array(numbers(buffer.sample(10_000)), int), minlength=10)
    assert ((counts - 1000) ** 2 / 1000).sum() < 27.9


def test_a_state_continues_with_the_same_samples():
    """Wrapped round or not, also after more rows; the state is a copy."""
    for count in (3, 6):
        buffer = ReplayBuffer(4, 2, seed=0)
        buffer.add(rows(*range(count)))
        buffer.sample(5)
        state = buffer.state()
        twin = ReplayBuffer(4, 2, seed=99)
        buffer.add(rows(20))
        wanted = numbers(buffer.sample(20))
        twin.restore(state)
        twin.add(rows(20))
        assert numbers(twin.sample(20)) == wanted


def test_an_empty_buffer_cannot_be_sampled():
    """The message says what to call first."""
    with pytest.raises(ValueError, match=r"batch_size=3.*0 transitions.*`add`"):
        ReplayBuffer(4, 2, seed=0).sample(3)


def test_the_state_of_another_buffer_is_refused():
    """Of another capacity or of other observations."""
    state = ReplayBuffer(4, 2, seed=0).state()
    with pytest.raises(ValueError, match=r"\(4, 2\); this buffer has \(5, 2\)"):
        ReplayBuffer(5, 2, seed=0).restore(state)
    with pytest.raises(ValueError, match=r"\(4, 2\); this buffer has \(4, 3\)"):
        ReplayBuffer(4, 3, seed=0).restore(state)
