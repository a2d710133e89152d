"""Tests of the statistics, the comparison of files and of outputs."""

from __future__ import annotations

import array
import dataclasses

import numpy as np
import pytest
import scipy.stats

from android_bench.agreement import compare_outputs
from android_bench.comparison import compare_runs
from android_bench.parsed import TensorFile
from android_bench.records import Round
from android_bench.statistics import compare, drift
from tests.android_bench.test_records import run


def measured(model, medians, **changes):
    rounds = tuple(
        Round(index=i, seconds=float(i), typical_ms=value, num_runs=9)
        for i, value in enumerate(medians)
        if value is not None
    )
    return run(model=model, model_sha256=model * 8, rounds=rounds, **changes)


def test_the_interval_is_students():
    """Of the mean logarithm of the ratios; what slows both cancels out."""
    first = np.array([1.0, 2.0, 4.0, 8.0])
    ratios = np.array([0.5, 0.55, 0.45, 0.52])
    found = compare(first, first * ratios)
    logs = np.log(ratios)
    low, high = scipy.stats.t.interval(
        0.95, 3, loc=logs.mean(), scale=scipy.stats.sem(logs)
    )
    assert found.ratio == pytest.approx(np.exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))
    assert found.verdict == "faster"
    assert compare(first * ratios, first).verdict == "slower"


def test_the_interval_holds_what_it_promises(rng):
    """About 95 % of the intervals of noisy rounds hold the true ratio."""
    held = 0
    for _ in range(300):
        shared = np.exp(rng.normal(0, 0.5, 5))
        noise = np.exp(rng.normal(0, 0.03, (2, 5)))
        found = compare(shared * noise[0], shared * noise[1] * 0.9)
        held += found.low <= 0.9 <= found.high
    assert 0.91 <= held / 300 <= 0.99


def test_two_rounds_are_too_few():
    """There is no spread to speak of."""
    with pytest.raises(ValueError, match="Received: 2 pairs"):
        compare([1.0, 2.0], [1.0, 2.0])


def test_drift_agrees_with_kendalls_tau(rng):
    """SciPy's tau of the same series; the slope is the rise that was put in."""
    values = 1 + 0.3 * np.arange(12) / 11 + rng.normal(0, 0.01, 12)
    found = drift(range(12), values)
    tau = scipy.stats.kendalltau(np.arange(12), values, variant="b").statistic
    assert found.tau == pytest.approx(tau)
    assert found.rise == pytest.approx(0.3 / 1.15, abs=0.04)
    assert found.throttled


@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 12,
        [1.3, 1.25, 1.2, 1.15, 1.1, 1.05, 1.0],
        [1.0, 1.001, 1.002, 1.003, 1.004, 1.005, 1.006],
        [1.0, 2.0, 3.0],
        [1.0],
    ],
)
def test_what_is_no_throttling(values):
    """Constant, faster, a rise that nobody feels, too few points."""
    assert not drift(range(len(values)), values).throttled


def test_false_alarms_are_rare(rng):
    """Noise alone is called throttling in a few of a hundred sessions."""
    alarms = sum(
        drift(range(15), 1 + rng.normal(0, 0.1, 15)).throttled for _ in range(400)
    )
    assert alarms <= 30


def test_files_are_compared_round_by_round():
    """Each with the first one; rounds that one lacks do not count."""
    records = [
        measured("a", [2.0, 4.0, None, 6.0, 8.0]),
        measured("b", [1.0, 2.0, 3.0, 3.0, None]),
        measured("c", [4.0, 8.0, 9.0, 12.0, 16.0]),
    ]
    second, third = compare_runs(records)
    assert (second.model, second.reference) == ("b", "a")
    assert second.ratio.ratio == pytest.approx(0.5)
    assert second.ratio.pairs == 3
    assert third.ratio.ratio == pytest.approx(2.0)
    assert "host latency" in third.sentence()
    assert "slower" in third.sentence()


def test_only_like_conditions_are_compared():
    """Other places, threads, delegates and the same file are not."""
    medians = [1.0, 2.0, 3.0]
    threads = dataclasses.replace(run().conditions, num_threads=4)
    records = [
        measured("a", medians),
        measured("a", medians),
        measured("b", medians, where="device"),
        measured("b", medians, conditions=threads),
    ]
    assert compare_runs(records) == []


@pytest.mark.parametrize(
    ("change", "medians", "problem"),
    [
        ({"not_counted": ("outputs differ",)}, [1.0] * 4, "outputs differ"),
        ({}, [1.0, 2.0], "2 rounds in common"),
    ],
)
def test_why_files_are_not_compared(change, medians, problem):
    """In words; there is no ratio then."""
    (found,) = compare_runs(
        [measured("a", [1.0] * 4), measured("b", medians, **change)]
    )
    assert found.ratio is None
    assert problem in found.sentence()


def outputs(values, code="f"):
    return {"y": array.array(code, values).tobytes()}


def tensor(dtype="float32"):
    return [TensorFile(name="y", dtype=dtype, file="y")]


def test_the_error_is_of_the_range():
    """0.02 of a range of 2 is 0.01."""
    found = compare_outputs(
        tensor(), outputs([0.0, 1.0, 2.0]), outputs([0.0, 1.02, 2.0])
    )
    assert found.error == pytest.approx(0.01, rel=1e-5)
    assert found.agrees
    found = compare_outputs(
        tensor(), outputs([0.0, 1.0, 2.0]), outputs([0.0, 1.2, 2.0])
    )
    assert not found.agrees
    assert "differ by 0.1" in found.problem


def test_int8_steps():
    """One step of the whole range agrees, twenty do not."""
    cpu = outputs([-128, 0, 127], "b")
    assert compare_outputs(tensor("int8"), cpu, outputs([-128, 1, 127], "b")).agrees
    assert not compare_outputs(
        tensor("int8"), cpu, outputs([-128, 20, 127], "b")
    ).agrees


@pytest.mark.parametrize(
    ("cpu", "gpu", "problem"),
    [
        ([0.1] * 10, [0.1] * 10, "constant on the CPU"),
        ([0.0, 1.0], [0.0, float("nan")], "is not finite"),
        ([0.0, float("inf")], [0.0, 1.0], "not finite on the CPU"),
        ([0.0, 1.0], [0.0], "4 bytes, the CPU's 8"),
        ([], [], "0 bytes"),
    ],
)
def test_what_cannot_be_compared(cpu, gpu, problem):
    """An untrained network's uniform output agrees with everything."""
    found = compare_outputs(tensor(), outputs(cpu), outputs(gpu))
    assert problem in found.problem
    assert found.error is None


def test_a_single_number_is_compared_with_itself():
    """A regression's output has no range."""
    assert compare_outputs(tensor(), outputs([4.0]), outputs([4.01])).agrees
    assert not compare_outputs(tensor(), outputs([4.0]), outputs([5.0])).agrees


def test_outputs_that_are_missing():
    """Or of a type that is not compared, or none at all."""
    assert "not written" in compare_outputs(tensor(), outputs([1.0]), {}).problem
    assert (
        "float16"
        in compare_outputs(tensor("float16"), {"y": b"a"}, {"y": b"a"}).problem
    )
    assert "no output" in compare_outputs([], {}, {}).problem
