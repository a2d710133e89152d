"""Tests of ``tfcompress sensitivity`` and of the options of ``convert`` beside it."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import DATA

QUICK = ("--data", DATA, "--examples", "20", "--calibration-examples", "20")


def test_the_layers_are_ranked(tfcompress, model_file, tmp_path):
    answer = tfcompress("sensitivity", model_file, *QUICK, "-o", tmp_path / "s.json")

    assert answer.code == 0, answer.err
    assert "SNR dB" in answer.out
    content = json.loads((tmp_path / "s.json").read_text())
    layers = [layer["layer"] for layer in content["layers"]]
    assert sorted(layers) == ["conv0", "conv1", "conv2", "predictions", "res_conv"]
    record = json.loads((tmp_path / "s.sensitivity.json").read_text())
    assert record["details"]["sensitivity"] == content


@pytest.mark.parametrize("by", ["snr_db", "kl", "drop"])
def test_the_worst_layer_comes_first_by_what_is_asked_for(tfcompress, model_file, by):
    answer = tfcompress("sensitivity", model_file, *QUICK, "--rank-by", by, "--json")

    layers = answer.record["details"]["sensitivity"]["layers"]
    values = [layer[by] if by != "snr_db" else -layer[by] for layer in layers]
    assert values == sorted(values, reverse=True)


def test_a_precision_to_raise_to_needs_a_limit(refused, model_file):
    """Without one nothing is raised."""
    message = refused("sensitivity", model_file, *QUICK, "--higher", "float32")

    assert "unset without `max_drop` or `size_bytes`" in message


def test_a_precision_that_is_not_higher_is_told_before_work(refused, model_file):
    limit = ("--max-drop", "0.1", "--higher", "int8")

    assert "one of ('float32',)" in refused("sensitivity", model_file, *QUICK, *limit)


def test_it_writes_nothing_unless_asked(tfcompress, model_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    answer = tfcompress("sensitivity", model_file, *QUICK, "--json")

    assert answer.record["stage"] == "sensitivity"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_map_is_chosen_and_converted(tfcompress, model_file, tmp_path):
    """The choice is judged by converted files; `convert` takes it as it is."""
    path, file = tmp_path / "map.json", tmp_path / "net.tflite"
    limits = ("--size", "0.3", "--recipe", "int8_w4")
    answer = tfcompress("sensitivity", model_file, *QUICK, *limits, "-o", path)
    assert answer.code == 0, answer.err
    assert "layers raised" in answer.out

    answer = tfcompress(
        "convert", model_file, "--recipe", "int8", "--data", DATA, "--equalize",
        "--correct-bias", "--precision", path, "-o", file, "--json",
    )  # fmt: skip

    assert answer.code == 0, answer.err
    found = answer.record["details"]["conversion"]["improvements"]
    assert set(found) == {"equalization", "bias_correction", "precision"}
    assert found["precision"] == json.loads(path.read_text())["precision"]


@pytest.mark.slow
def test_what_cannot_be_met_ends_with_code_3(refused, model_file):
    """No weights fit in 10 bytes."""
    message = refused("sensitivity", model_file, *QUICK, "--size", "10", code=3)

    assert "do not fit in the budget" in message


def test_an_unknown_layer_in_the_map(refused, model_file, tmp_path):
    path = tmp_path / "map.json"
    path.write_text('{"conv_1": "float32"}')

    message = refused(
        "convert", model_file, "--recipe", "int8", "--data", DATA,
        "--precision", path, "-o", tmp_path / "net.tflite",
    )  # fmt: skip

    assert "Did you mean 'conv1'" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--equalize"], "equalize=True; it must be used with the recipe int8"),
        (["--max-drop", "0.1"], "max_drop=0.1; it must be used with the recipe int8"),
        (["--recipe", "int8", "--correct-bias"], "--data"),
        (["--inputs", "int8"], "inputs='int8'; it must be float unless"),
        (["--inputs", "int8", "--recipe", "float16"], "inputs='int8'; it must be"),
    ],
)
def test_options_that_make_no_sense(refused, model_file, tmp_path, options, message):
    assert message in refused(
        "convert", model_file, "-o", tmp_path / "net.tflite", *options
    )


def test_a_map_and_a_limit_exclude_each_other(refused, model_file, tmp_path):
    path = tmp_path / "map.json"
    path.write_text("{}")

    message = refused(
        "convert", model_file, "--recipe", "int8", "--data", DATA, "--max-drop", "0.1",
        "--precision", path, "-o", tmp_path / "net.tflite",
    )  # fmt: skip

    assert "used without precision" in message
