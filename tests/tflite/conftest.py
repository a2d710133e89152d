"""Files that several tests read; each is converted once."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests import models
from tfcompress import data, tflite


@pytest.fixture(scope="session")
def net():
    return models.randomise(models.conv_bn_net(logits=True))


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).random((64, 12, 12, 3), dtype=np.float32)


@pytest.fixture(scope="session")
def converted(net, images):
    """Return a function from recipe (and inputs) to a conversion of `net`."""

    @functools.cache
    def convert(recipe, inputs="float"):
        return tflite.convert(
            net,
            recipe,
            calibration=[images],
            inputs=inputs,
            metadata={"labels": list("abcde")},
        )

    return convert


@pytest.fixture(scope="session")
def dataset(net, images):
    """A data set whose labels are the net's own answers: its accuracy is 1."""
    labels = np.asarray(net(images)).argmax(-1)
    everything = (images, labels)
    return data.Dataset.from_arrays(
        train=everything,
        validation=everything,
        test=everything,
        task=data.Task.single("classification", num_classes=5, from_logits=True),
    )
