"""Tests of letting a device cool down."""

from __future__ import annotations

import threading

import pytest

from android_bench import cooling
from android_bench.devices import DeviceState
from tests.android_bench.targets import FakeTransport, said


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    monkeypatch.setattr(cooling, "_STEP_S", 0.001)


def cool_down(statuses, before=0, *, most_s=0.0025, stop=None):
    """Return the verdict, and how often the device was asked."""
    answers, asked = iter(statuses), []

    def state(_):
        asked.append(None)
        return said(f"Thermal Status: {next(answers)}\n")

    cooled = cooling.cool_down(
        FakeTransport(says={"thermalservice": state}),
        before if before is None else DeviceState(thermal_status=before),
        pause_s=0.0,
        most_s=most_s,
        stop=stop or threading.Event(),
    )
    return cooled, len(asked)


@pytest.mark.parametrize(
    ("statuses", "before", "wanted"),
    [
        ([0], 0, (True, 1)),
        ([3, 2, 1], 0, (True, 3)),
        ([3, 3, 3, 3], 0, (False, 4)),  # three steps are over the limit
        ([], None, (True, 0)),  # it was not asked at the start
        ([], 2, (True, 0)),  # it was as hot at the start
    ],
)
def test_it_waits_as_long_as_android_says(statuses, before, wanted):
    assert cool_down(statuses, before) == wanted


def test_a_device_without_a_thermal_service_only_pauses():
    state = DeviceState(governor="schedutil")
    transport = FakeTransport()
    assert cooling.cool_down(
        transport, state, pause_s=0.0, most_s=1.0, stop=threading.Event()
    )
    assert transport.calls == []


def test_it_stops_when_told():
    stop = threading.Event()
    stop.set()
    assert cool_down([3, 3], most_s=1000.0, stop=stop) == (False, 1)
