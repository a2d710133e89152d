"""Tests of ``tfcompress sparsify``: refusals before work, and the work."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from tests.cli.conftest import DATA


@pytest.fixture
def sparsify(model_file, tmp_path):
    """Return the arguments of a command."""
    output = ["-o", tmp_path / "s.keras", "--epochs", "1", "--batch-size", "20"]
    return ["sparsify", model_file, "--data", DATA, *output]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--sparsity", "1"], "sparsity=1.0; it must be a fraction of zeros in [0, 1)"),
        (["--sparsity", "-1"], "sparsity=-1.0"),
        (["--begin-fraction", "0.9"], "ends before it begins"),
        (["--pattern", "4by4"], "no such pattern"),
        (["--layer", "no_such"], "no such layer"),
        (["--early-stopping", "2"], "masks must reach their end"),
        (["--plan", "none.json"], "no such file"),
        (["--teacher", "none.keras"], "no such model file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(refused, sparsify, arguments, expected):
    assert expected in refused(*sparsify, *arguments)


def test_frozen_models_are_refused(refused, sparsify, model_file, tmp_path):
    model = keras.saving.load_model(model_file)
    model.trainable = False
    model.save(tmp_path / "frozen.keras")
    sparsify[1] = tmp_path / "frozen.keras"
    assert "it is frozen" in refused(*sparsify)


@pytest.mark.slow
def test_it_writes_a_sparse_model_and_its_record(tfcompress, sparsify, tmp_path):
    assert tfcompress(*sparsify, "--sparsity", "0.5").code == 0
    model = keras.saving.load_model(tmp_path / "s.keras")
    shares = [
        np.mean(layer.kernel.numpy() == 0)
        for layer in model.layers
        if hasattr(layer, "kernel")
    ]
    assert shares[0] == shares[-1] == 0
    assert shares[1] == pytest.approx(0.5, abs=0.01)
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["details"]["sparsity"]["pattern"] == "unstructured"
