"""Tests of `tfcompress.files`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from tfcompress import errors, files


def test_a_failed_write_leaves_the_old_file(tmp_path):
    """The body raises half way: the target and its folder are as before."""
    target = tmp_path / "model.keras"
    target.write_text("old")

    def half():
        with files.replacing(target) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A real refusal by the system: the process may not write more than 1 kB."""
    target = tmp_path / "big.bin"
    target.write_text("old")
    code = f"""
        import resource, signal
        from tfcompress import errors, files
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
        try:
            files.write_bytes({str(target)!r}, bytes(10_000))
        except errors.OutputError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("Writing was refused. Received:")
    assert "File too large" in done.stdout
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["big.bin"]


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.OutputError, match="Writing was refused"):
        files.write_text(tmp_path / "file" / "below.txt", "x")


def test_written_files_have_ordinary_permissions(tmp_path):
    files.write_text(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").write_text("x")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_json_that_is_no_object(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(errors.DataError, match=r"no JSON object.*list"):
        files.read_json(tmp_path / "a.json")


def test_existing_output_is_refused_without_force(tmp_path):
    target = tmp_path / "a.txt"
    files.refuse_existing(target, force=False)
    target.write_text("old")
    files.refuse_existing(target, force=True)
    with pytest.raises(errors.OutputError, match=r"exists already.*--force"):
        files.refuse_existing(target, force=False)


def test_a_second_process_is_locked_out_until_the_first_dies(tmp_path):
    """The lock of a killed process is free again."""
    code = (
        "import sys, time; from tfcompress import files\n"
        f"with files.lock({str(tmp_path)!r}): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(errors.LockedError, match="Another process"),
            files.lock(tmp_path),
        ):
            pass
    finally:
        other.kill()
        other.wait()
    with files.lock(tmp_path):
        pass


def test_fingerprint_tells_parts_apart():
    assert files.fingerprint("ab", "c") != files.fingerprint("a", "bc")
    assert files.fingerprint("a", b"b") == files.fingerprint("a", "b")
