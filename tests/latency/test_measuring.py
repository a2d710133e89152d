"""Tests of measuring on the host."""

from __future__ import annotations

import pytest

from tfcompress import errors
from tfcompress.latency import HostMeasure
from tfcompress.latency.families import Family
from tfcompress.latency.host_child import low_quantile, take_turns
from tfcompress.latency.operator_files import write_operator


def test_turns_alternate_and_every_other_round_goes_back():
    order: list[str] = []
    runs = [lambda: order.append("a"), lambda: order.append("b")]

    samples = take_turns(runs, rounds=2, min_runs=1, min_seconds=0)

    assert "".join(order) == "aaabbb" + "bbbaaa"  # two warm-up runs, one timed
    assert [len(found) for found in samples] == [2, 2]


def test_a_turn_lasts_its_time():
    ticks = iter(range(0, 10**12, 10**6))  # every look at the clock: a millisecond
    samples = take_turns(
        [lambda: None],
        rounds=1,
        min_runs=2,
        min_seconds=0.03,
        clock=lambda: next(ticks),
    )
    assert len(samples[0]) == pytest.approx(10, abs=1)  # three looks each
    assert set(samples[0]) == {1.0}


def test_a_disturbed_run_does_not_count():
    assert low_quantile([1.0] * 5 + [50.0] * 5) == 1.0


def test_more_work_takes_longer(tmp_path):
    """A hundred times the MACs, on whatever machine."""
    paths = []
    for count in (16, 160):
        paths.append(tmp_path / f"{count}.tflite")
        conv = Family(kind="conv", height=16, width=16, kernel=(3, 3))
        paths[-1].write_bytes(write_operator(conv, (count, count)))

    small, large = HostMeasure(rounds=2)(paths)

    assert 0 < 4 * small < large


def test_a_file_that_cannot_run_is_one_line(tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(100))
    with pytest.raises(errors.BenchmarkError, match=r"broken\.tflite"):
        HostMeasure()([path])
