"""Tests of a run that is killed with SIGKILL, at every kind of moment."""

from __future__ import annotations

import json
import multiprocessing
import signal

import pytest

from tests.pipeline import fakes

POINTS = (
    "run:record",  # run.json is there and nothing else
    "original:save_model",  # the model is there, its record is not
    "second:stage",
    "second:epoch1",  # in a training
    "second:save_model",
    "second:record",
    "check:record",  # the last moment
)
VOLATILE = ("seconds", "started")


@pytest.fixture
def run():
    """Return a function that runs a workflow in a process and gives its exit code.

    The processes are forked from one that has imported TensorFlow but not used it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfcompress.pipeline"])

    def run(directory, kill_at: str = "") -> int | None:
        process = context.Process(target=fakes.run_and_die, args=(directory, kill_at))
        process.start()
        process.join()
        return process.exitcode

    return run


def figures(directory) -> dict[str, object]:
    """Return every record without what a clock says."""
    return {
        path.name: {
            key: entry
            for key, entry in json.loads(path.read_text()).items()
            if key not in VOLATILE
        }
        for path in sorted(directory.glob("*.json"))
    }


@pytest.mark.slow
def test_a_killed_run_resumes_and_ends_with_the_same_figures(tmp_path, run):
    """One directory is killed at each point in turn, another one never."""
    fakes.make_model(tmp_path / "net.keras")
    killed, whole = tmp_path / "killed", tmp_path / "whole"

    assert run(whole) == 0
    for point in POINTS:
        assert run(killed, point) == -signal.SIGKILL, point
    assert run(killed) == 0

    assert figures(killed) == figures(whole)
    assert not list(killed.glob(".*.keras"))  # no half-written file is left
