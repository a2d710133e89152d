"""Tests of where models and data come from."""

from __future__ import annotations

import pytest

from tests.models import conv_bn_net
from tfcompress import errors
from tfcompress.pipeline import DataSource, ModelSource


def test_a_model_is_loaded_with_the_settings_of_its_source(tmp_path):
    conv_bn_net(input_shape=(None, None, 3)).save(tmp_path / "m.keras")
    source = ModelSource(path="m.keras", input_shape=[12, 12, 3])

    assert source.load(tmp_path / "m.keras").input_shape == (None, 12, 12, 3)


def test_data_are_opened_with_their_settings():
    source = DataSource(
        source="tests.cli.data_sets:fitting",
        image_size=[6, 6],
        limit=20,
        preprocess={"scale": 2.0},
    )

    dataset = source.load()

    assert dataset.sizes["train"] == 20
    assert dataset.input_shapes == ((6, 6, 3),)
    assert dataset.preprocessing.scale == 2.0


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(errors.ConfigError, match="validation_fraction"):
        DataSource(source="x", validation_fraction=fraction)
