import pytest

from android_bench import host_child


class Clock:
    """A clock that only `run` moves."""

    def __init__(self, durations_ms):
        self.now = 0
        self.durations = iter(durations_ms)
        self.last = 1.0

    def __call__(self):
        return self.now

    def run(self):
        self.last = next(self.durations, self.last)
        self.now += int(self.last * 1e6)


def timed(durations_ms, **limits):
    clock = Clock(durations_ms)
    settings = {"min_runs": 5, "max_seconds": 1.0, "min_seconds": 0.0, **limits}
    return host_child.run_until_settled(clock.run, clock=clock, **settings)


def test_a_steady_model_stops_at_the_least_number_of_runs():
    """All runs equal: settled at once."""
    samples, settled = timed([2.0] * 100)
    assert samples == [2.0] * 5
    assert settled


def test_it_goes_on_while_the_median_moves():
    """A model that gets faster is measured until its slow start does not count."""
    samples, settled = timed([float(100 - i) for i in range(90)], max_seconds=60.0)
    assert settled
    assert len(samples) > 100


def test_it_stops_when_the_time_is_over():
    """A median that always moves ends unsettled, after the time."""
    samples, settled = timed([1.1**i for i in range(200)], max_seconds=2.0)
    assert not settled
    assert 2_000 <= sum(samples) < 2_000 + samples[-1] + 1


def test_at_least_the_asked_runs_are_made():
    """Even when the time is over before."""
    samples, _ = timed([500.0] * 20, min_runs=9, max_seconds=1.0)
    assert len(samples) == 9


def test_a_fast_model_is_measured_for_a_while():
    """Fifty runs of microseconds are over before the processor is awake."""
    samples, _ = timed([0.01] * 10, min_seconds=0.5)
    assert sum(samples) >= 500 or len(samples) >= 500


@pytest.mark.parametrize(
    ("samples", "settled"),
    [
        ([], False),
        ([1.0], False),
        ([9.0, 1.0, 1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([1.0, 1.019], True),
        ([1.0, 1.03], False),
    ],
)
def test_is_settled(samples, settled):
    """Medians of the halves, within 2 % of the newer."""
    assert host_child.is_settled(samples) is settled


def test_memory_figures_are_bytes():
    """A Python process has more than 5 MB; an unknown figure is None."""
    peak = host_child._memory("VmHWM")
    assert peak is None or peak > 5_000_000
    assert host_child._memory("NoSuchFigure") is None
