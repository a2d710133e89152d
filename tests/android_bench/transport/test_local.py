"""What is special about this computer."""

from __future__ import annotations

import gc
import pathlib

import pytest

from android_bench.errors import DeviceError
from android_bench.transport import LocalTransport


def test_it_says_that_it_is_this_computer(tmp_path):
    here = LocalTransport(tmp_path / "new" / "folder")

    assert (here.serial, here.where) == ("local", "host")
    assert here.folder == str(tmp_path / "new" / "folder")
    assert here.getprop("ro.product.model") == ""


def test_its_own_folder_goes_with_it():
    here = LocalTransport()
    folder = pathlib.Path(here.folder)
    assert folder.is_dir()

    del here
    gc.collect()

    assert not folder.exists()


def test_a_named_folder_stays(tmp_path):
    LocalTransport(tmp_path)
    gc.collect()

    assert tmp_path.is_dir()


def test_the_environment_is_added_to_this_one(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTER", "1")
    result = LocalTransport(tmp_path).shell(
        ["sh", "-c", "echo $OUTER$INNER"], env={"INNER": "2"}
    )

    assert result.stdout == "12\n"


def test_a_program_for_another_processor(tmp_path):
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x07\x7f" + bytes(44)
    source = tmp_path / "source"
    source.write_bytes(header)
    here = LocalTransport(tmp_path / "work")
    program = here.push(source, "runner", executable=True)

    with pytest.raises(DeviceError, match="cannot execute this program"):
        here.shell([program])


def test_a_file_without_the_right_to_run_is_126(tmp_path):
    source = tmp_path / "source"
    source.write_text("#!/bin/sh\n")
    here = LocalTransport(tmp_path / "work")

    assert here.shell([here.push(source, "run.sh")]).exit_code == 126


def test_a_folder_in_the_way(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x")
    here = LocalTransport(tmp_path / "work")
    (tmp_path / "work" / "m.tflite").mkdir()

    with pytest.raises(DeviceError, match="cannot be written"):
        here.push(source, "m.tflite")

    assert [path.name for path in (tmp_path / "work").iterdir()] == ["m.tflite"]
