"""Every example runs as it stands, on less data."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import runpy

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "examples"
NAMES = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem not in ("__init__", "original")
)


def test_there_is_one_for_each_method():
    assert set(NAMES) >= {
        "amc",
        "prune",
        "slim",
        "distill",
        "convert_and_verify",
        "from_keras2",
        "quantize_aware",
    }


def run_briefly(name: str) -> None:
    """Run an example on few examples; for a process of its own."""
    os.environ.update(EXAMPLES="400", EPOCHS="1", EPISODES="8")
    runpy.run_module(f"examples.{name}", run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, capfd):
    """In a process forked from one that has imported TensorFlow but not used it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfcompress.pipeline"])

    process = context.Process(target=run_briefly, args=(name,))
    process.start()
    process.join()

    assert process.exitcode == 0, capfd.readouterr().err
