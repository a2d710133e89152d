"""Precision maps: what they may say, and what they cost."""

from __future__ import annotations

import json

import pytest

from tests.models import conv_bn_net
from tfcompress import errors, quantize
from tfcompress.quantize import precision as precisions

NAMES = ["conv1", "conv2", "head"]


@pytest.mark.parametrize(
    ("precision", "recipe", "message"),
    [
        ({"conv": "int8"}, "int8", "Did you mean 'conv"),
        ({"x": "int8"}, "int8", "It has conv1, conv2, head"),
        ({"head": "int4"}, "int8", "Unknown precision. Received: head='int4'"),
        ({"head": "int16x8"}, "int8", "cannot hold this precision"),
        ({"head": "int8"}, "int16x8", "Use int16x8, float32"),
        ({"head": "int8"}, "float16", "Only an integer recipe"),
    ],
)
def test_a_bad_map_is_refused(precision, recipe, message):
    with pytest.raises(errors.ConfigError, match=message):
        quantize.check_precision(precision, NAMES, recipe=recipe)


def test_a_map_is_completed_by_the_recipe():
    whole = precisions.complete(conv_bn_net(), {"conv1": "float32"}, recipe="int8")

    assert whole == {
        "conv0": "int8",
        "conv1": "float32",
        "conv2": "int8",
        "res_conv": "int8",
        "predictions": "int8",
    }


def test_bytes_of_the_weights():
    """100 floats, 100 bytes, 101 half bytes."""
    weights = {"a": 100, "b": 100, "c": 101}
    precision = {"a": "float32", "c": "int8_w4"}

    assert precisions.weight_bytes(weights, precision, recipe="int8") == 400 + 100 + 51


def test_a_map_is_read_alone_or_inside_a_result(tmp_path):
    alone, inside = tmp_path / "a.json", tmp_path / "b.json"
    alone.write_text(json.dumps({"conv1": "float32"}))
    inside.write_text(json.dumps({"precision": {"conv1": "float32"}, "drop": 0.0}))

    assert quantize.read_map(alone) == quantize.read_map(inside) == {"conv1": "float32"}


@pytest.mark.parametrize("content", [[1], {"a": 3}, {"precision": "int8"}])
def test_a_file_with_something_else_is_refused(tmp_path, content):
    path = tmp_path / "map.json"
    path.write_text(json.dumps(content))

    with pytest.raises((errors.ConfigError, errors.DataError), match="JSON"):
        quantize.read_map(path)
