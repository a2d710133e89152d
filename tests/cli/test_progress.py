"""Tests of the bar: what it says of a training and of a search."""

from __future__ import annotations

import io
import types

import pytest
from rich.console import Console

from tfcompress.cli import progress


@pytest.fixture
def display(monkeypatch):
    """Return a display on a terminal of 100 columns, and what it drew."""
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **_settings: console)
    return progress.Display(), drawn


def search(**changes):
    """Return the progress of a search."""
    values = {
        "episode": 12,
        "episodes": 400,
        "best_reward": -0.0812,
        "cost": {"macs": 5_480_000},
        "fraction": 0.03,
        "eta_seconds": 754.0,
    }
    return types.SimpleNamespace(**values | changes)


def test_a_search_shows_best_reward_cost_and_time_left(display):
    shown, drawn = display
    with shown:
        shown.stage_started("plan", "amc", index=0, total=1)
        shown.progress("plan", search())

    last = drawn.getvalue()
    for text in ("plan 12/400", "best -0.0812", "5.48M macs", "0:12:34"):
        assert text in last


def test_a_baseline_is_named(display):
    shown, drawn = display
    running = {"method": "random", "evaluation": 7, "evaluations": 400, "fraction": 0.2}
    with shown:
        shown.stage_started("plan", "amc", index=0, total=1)
        for best in (None, -0.25):
            state = types.SimpleNamespace(**running, best_reward=best)
            shown.progress("plan", state)

    assert "random 7/400, best -0.2500" in drawn.getvalue()
    assert progress.status(types.SimpleNamespace(**running, best_reward=None)) == (
        "random 7/400"
    )


def test_before_it_is_known_the_time_left_comes_from_the_bar(display):
    shown, drawn = display
    with shown:
        shown.stage_started("plan", "amc", index=0, total=1)
        shown.progress("plan", search(eta_seconds=None))

    assert "-:--:--" in drawn.getvalue()


def test_a_training_shows_epoch_and_loss(display):
    shown, drawn = display
    training = types.SimpleNamespace(
        epoch=1, epochs=5, step=3, steps=10, logs={"loss": 0.25}, fraction=0.26
    )
    with shown:
        shown.stage_started("slim", "slim", index=0, total=2)
        shown.progress("slim", training)

    assert "epoch 2/5, loss 0.250" in drawn.getvalue()
