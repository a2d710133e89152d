"""Every convolutional family of `keras.applications`, quantized and converted."""

from __future__ import annotations

import gc

import keras
import pytest

from benchmarks.families import build_family
from benchmarks.quantize_families import check_member
from tfcompress import quantize
from tfcompress.graph.reading import read_model
from tfcompress.quantize.recipes import find
from tfcompress.quantize.sites import find_sites


@pytest.fixture(autouse=True)
def _forget_models():
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small"])
def test_the_file_is_all_integers_and_computes_the_same(name):
    """The benchmark converts the others, which take minutes."""
    found = check_member(name)
    assert found["fully_quantized"]
    assert found["file_to_model_db"] > 35


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["MobileNetV2", "EfficientNetB0", "ResNet50", "DenseNet121"]
)
def test_all_layers_have_an_integer_form(name):
    """The conversions themselves are the benchmark's."""
    flat = read_model(build_family(name))
    recipes = {call.name: find("int8") for call in flat.calls}
    kinds = {operator.kind for operator in find_sites(flat, recipes).operators}
    assert "float" not in kinds


@pytest.mark.slow
def test_what_a_family_leaves_in_float_is_listed():
    """ConvNeXt normalises over channels; its LayerScale is a depthwise convolution."""
    _, report = quantize.quantize_aware(build_family("ConvNeXtTiny"))
    kinds = {reason.split(" has")[0] for reason in report.float_layers.values()}
    assert "LayerNormalization" in kinds
    assert "LayerScale" not in kinds
