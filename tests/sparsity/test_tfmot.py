"""The schedule objects of tensorflow-model-optimization work unchanged."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def found():
    command = [sys.executable, "-m", "tests.sparsity.tfmot_schedules"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_polynomial_decay(found):
    """0.8 - 0.6 * (1 - t / 6)^3 at 0, 2, 4, 6: 0.2, 0.622, 0.778, 0.8."""
    decay = found["PolynomialDecay"]
    assert decay["shares"] == [0.2, 0.2, 0.62, 0.62, 0.78, 0.78, *[0.8] * 6]
    assert (decay["alive"], decay["end"], decay["loaded alike"]) == (0, 0.8, True)


@pytest.mark.slow
def test_constant_sparsity(found):
    """From step 3 on, every 4 steps, without an end."""
    constant = found["ConstantSparsity"]
    assert constant["shares"] == [0, 0, 0, *[0.5] * 9]
    assert constant["alive"] == 0
    assert constant["loaded alike"]
