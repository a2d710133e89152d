"""Tests of ``tfcompress convert``, ``verify`` and ``benchmark``."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.cli.conftest import DATA


def test_float32_needs_no_data(tfcompress, model_file, tmp_path):
    answer = tfcompress("convert", model_file, "-o", tmp_path / "net.tflite", "--json")

    assert answer.code == 0, answer.err
    assert answer.record["details"]["conversion"]["recipe"] == "float32"
    size = (tmp_path / "net.tflite").stat().st_size
    assert answer.record["model"]["file_bytes"] == size
    assert "Saved artifact" not in answer.out


def test_int8_needs_data(refused, model_file, tmp_path):
    message = refused(
        "convert", model_file, "-o", tmp_path / "net.tflite", "--recipe", "int8"
    )

    assert "--data" in message


@pytest.mark.slow
def test_int8_carries_labels_and_preprocessing(tfcompress, model_file, tmp_path):
    arguments = ["--recipe", "int8", "--data", DATA, "--calibration-examples", "60"]
    answer = tfcompress(
        "convert", model_file, "-o", tmp_path / "net.tflite", *arguments
    )
    assert answer.code == 0, answer.err

    found = tfcompress("inspect", tmp_path / "net.tflite", "--json").record
    assert found["float_operators"] == []
    assert found["metadata"]["recipe"] == "int8"
    assert "preprocessing" in found["metadata"]
    assert found["metadata"]["calibration_examples"] == 60


def test_the_wrong_suffix(refused, model_file, tmp_path):
    assert "net.tflite" in refused("convert", model_file, "-o", tmp_path / "net.bin")


def test_verify_passes_a_good_file(tfcompress, model_file, tflite_file, tmp_path):
    arguments = ["--data", DATA, "--max-drop", "0.01", "--min-agreement", "0.99"]
    answer = tfcompress(
        "verify", model_file, tflite_file, *arguments, "-o", tmp_path / "v.json"
    )

    assert answer.code == 0, answer.err
    assert "agreement" in answer.out
    record = json.loads((tmp_path / "v.json").read_text())
    assert record["passed"]
    assert record["details"]["parity"]["num_examples"] == 60


def test_verify_writes_nothing_unless_asked(
    tfcompress, model_file, tflite_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    answer = tfcompress("verify", model_file, tflite_file, "--data", DATA, "--json")

    assert answer.record["details"]["parity"]["passed"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_model_fails_the_check(
    tfcompress, without_norms, tflite_file
):
    """Same shapes, other answers."""
    answer = tfcompress(
        "verify", without_norms, tflite_file, "--data", DATA, "--min-agreement", "0.99"
    )

    assert answer.code == 3
    last = answer.err.splitlines()[-1]
    assert last.startswith("Check failed: the top answers agree on")


@pytest.mark.parametrize("keep", [0, 3, 1000, 0.5])
def test_a_damaged_file_is_refused(refused, model_file, tflite_file, tmp_path, keep):
    content = tflite_file.read_bytes()
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content[: int(len(content) * keep) if keep < 1 else keep])

    assert "damaged.tflite" in refused("verify", model_file, path, "--data", DATA)
    assert "damaged.tflite" in refused("benchmark", path, "--device", "host")


def test_a_file_of_noise_is_refused(refused, model_file, tflite_file, tmp_path):
    path = tmp_path / "noise.tflite"
    shutil.copy(tflite_file, path)
    with path.open("r+b") as stream:
        stream.seek(8)
        stream.write(b"\xff" * 400)

    assert "noise.tflite" in refused("verify", model_file, path, "--data", DATA)
    assert "noise.tflite" in refused("benchmark", path, "--device", "host")


def test_a_missing_tflite_file(refused, model_file, tmp_path):
    path = tmp_path / "none.tflite"

    assert "none.tflite" in refused("verify", model_file, path, "--data", DATA)
    assert "none.tflite" in refused("benchmark", path, "--device", "host")
