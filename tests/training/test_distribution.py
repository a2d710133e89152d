"""A strategy's scope is honoured."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def run_script(module):
    """Run a script of two replicas in a new process; return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_trains_on_two_replicas():
    """A model made in the scope trains on all replicas; another one is refused."""
    found = run_script("tests.training.distribute")
    assert found["replicas"] == 2
    assert found["moved"] > 0.01
    assert found["loss"][-1] < 0.8 * found["loss"][0]
    assert found["taught"][-1] < 0.8 * found["taught"][0]
    assert "inside `with strategy.scope():`" in found["refused"]
