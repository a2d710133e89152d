"""A strategy's scope is honoured."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
def test_trains_on_two_replicas():
    """A model made in the scope trains on all replicas; another one is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.distribute"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["replicas"] == 2
    assert found["moved"] > 0.01
    assert found["loss"][-1] < 0.8 * found["loss"][0]
    assert found["taught"][-1] < 0.8 * found["taught"][0]
    assert "inside `with strategy.scope():`" in found["refused"]
