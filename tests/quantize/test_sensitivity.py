"""The layers ranked by what quantizing each alone loses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tests.quantize.unequal_nets import labelled, mobile
from tfcompress import errors, quantize
from tfcompress.quantize.progress import LayerProgress


@pytest.fixture(scope="module")
def spoiled():
    """Return a network with one kernel that 8 bits cannot hold, and its data.

    One outlier per output channel of `pw0` leaves all its other weights at zero.
    """
    model = mobile()
    kernel = np.asarray(model.get_layer("pw0").kernel).copy()
    kernel[0, 0, 0] *= 3e3
    model.get_layer("pw0").kernel.assign(kernel)
    # The input with the outliers is silent, so that the network works without them.
    norm = model.get_layer("dw0_bn")
    for variable in (norm.gamma, norm.beta):
        value = np.asarray(variable).copy()
        value[0] = 0
        variable.assign(value)
    return model, labelled(model)


@pytest.fixture(scope="module")
def found(spoiled):
    model, dataset = spoiled
    return quantize.sensitivity(model, dataset, num_examples=64, batch_size=32)


def test_the_layer_that_cannot_be_held_comes_first(found):
    first, second = found.layers[:2]

    assert first.layer == "pw0"
    assert first.snr_db < 10 < 25 < second.snr_db
    assert first.kl > 10 * second.kl
    assert first.drop > 0.1
    assert found.value == 1.0  # the labels are the network's own
    assert found.num_examples == 64


def test_every_layer_with_weights_is_there(found):
    assert {layer.layer: layer.weights for layer in found.layers} == {
        "stem": 324,
        "dw0": 108,
        "pw0": 192,
        "dw1": 144,
        "pw1": 384,
        "head": 240,
    }


@pytest.mark.parametrize("by", ["snr_db", "kl", "drop"])
def test_it_can_be_ranked_otherwise(found, by):
    assert found.ranked(by)[0].layer == "pw0"


def test_it_survives_json(found):
    content = json.loads(json.dumps(found.to_dict()))

    assert quantize.Sensitivity.from_dict(content) == found


def test_the_test_part_is_never_read_and_progress_is_told(spoiled):
    model, dataset = spoiled
    without = {k: v for k, v in dataset.splits.items() if k != "test"}
    blind = dataclasses.replace(dataset, splits=without)
    told: list[LayerProgress] = []

    quantize.sensitivity(
        model,
        blind,
        task=dataset.task,
        precision="int8_w4",
        num_examples=20,
        batch_size=10,
        calibration_examples=16,
        progress=told.append,
    )

    assert [(one.done, one.total) for one in told] == [(1, 2), (2, 2)]


def test_a_precision_that_quantizes_nothing_is_refused(spoiled):
    model, dataset = spoiled

    with pytest.raises(errors.ConfigError, match="precision='float32'"):
        quantize.sensitivity(model, dataset, precision="float32")
