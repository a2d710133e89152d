"""Tests of a disk that is full, or refuses: the old files stay, and one line says why.

The operating system injects the fault: a process may write no file larger than a limit
(RLIMIT_FSIZE), so writing fails in the middle, as on a full disk.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource

import pytest

from tests.pipeline import fakes
from tfcompress import errors, files
from tfcompress.pipeline import run_workflow


@contextlib.contextmanager
def largest_file(size: int):
    """Let writes fail beyond `size` bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Return a run directory in which a run is done."""
    fakes.install(monkeypatch)
    fakes.make_model(tmp_path / "net.keras")
    run_workflow(fakes.workflow(tmp_path / "net.keras"), tmp_path / "run")
    return tmp_path / "run"


def rerun(directory, **settings):
    workflow = fakes.workflow(directory.parent / "net.keras", **settings)
    return run_workflow(workflow, directory)


def contents(directory, *names):
    return {name: (directory / name).read_bytes() for name in names}


def leftovers(directory):
    return [p.name for p in directory.iterdir() if p.name.startswith(".first")]


def test_a_disk_that_fills_up_while_a_model_is_written(directory):
    before = contents(directory, "first.keras", "first.json")
    size = (directory / "first.keras").stat().st_size

    with (
        largest_file(size // 2),
        pytest.raises(errors.OutputError, match=r"Writing was refused.*first\.keras"),
    ):
        rerun(directory, first={"amount": 4.0})

    assert contents(directory, *before) == before
    assert leftovers(directory) == []
    rerun(directory, first={"amount": 4.0})  # with space again, it goes on
    assert (
        json.loads((directory / "check.json").read_text())["details"]["value"] == 36.0
    )


def test_a_disk_that_fills_up_while_a_record_is_written(directory, monkeypatch):
    """The new model is there without its record: the stage simply runs again."""
    replace = files.replacing

    @contextlib.contextmanager
    def full(target):
        with replace(target) as path:
            yield path
            if os.fspath(target).endswith("first.json"):
                raise OSError(errno.ENOSPC, "No space left on device")

    before = contents(directory, "first.json")
    with monkeypatch.context() as patch:
        patch.setattr(files, "replacing", full)
        with pytest.raises(errors.OutputError, match=r"No space left.*Free some space"):
            rerun(directory, first={"amount": 4.0})

    assert contents(directory, *before) == before
    fakes.RAN.clear()
    rerun(directory, first={"amount": 4.0})
    assert fakes.RAN[0] == "first"


def test_a_place_that_may_not_be_written(tmp_path, monkeypatch):
    fakes.install(monkeypatch)
    fakes.make_model(tmp_path / "net.keras")
    place = tmp_path / "file"
    place.write_text("x")

    with pytest.raises(errors.OutputError, match="Writing was refused"):
        run_workflow(fakes.workflow(tmp_path / "net.keras"), place / "run")


def test_a_log_that_cannot_be_written_stops_nothing(directory):
    log = directory / "check.log"
    log.write_text("x" * 5000)

    with largest_file(4999):
        result = rerun(directory, check={"limit": 3.0})

    assert not result.passed
