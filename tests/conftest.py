"""Fixtures and options that every test may use."""

from __future__ import annotations

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from tests.fakes.adb_server import ABSENT, ADB, AdbServer

GOLDEN = pathlib.Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption(
        "--golden-update", action="store_true", help="rewrite the golden files"
    )


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def golden(request):
    """Return a function that compares a text with its golden file, or rewrites it."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--golden-update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {name}: write it with `make golden`"
        assert text == path.read_text("utf-8")

    return compare


@pytest.fixture(scope="module")
def adb_server():
    """Start an adb server on a port of its own."""
    if ADB is None:
        pytest.skip(ABSENT)
    with AdbServer() as server:
        yield server
