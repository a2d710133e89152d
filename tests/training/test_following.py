"""Tests of `tfcompress.training.following`: constraints learn who moves them."""

from __future__ import annotations

import keras
import pytest

from tests.training.networks import blobs, crossentropy, depthwise_net
from tfcompress import distill, training


class Follower(keras.constraints.Constraint):
    """Notes the optimizers of the models that it is told of."""

    def __init__(self):
        self.optimizers = []

    def __call__(self, w):
        return w

    def follow(self, model):
        self.optimizers.append(model.optimizer)


@pytest.fixture
def followed():
    model = depthwise_net()
    follower = Follower()
    model.layers[-1].kernel.constraint = follower
    return model, follower


def test_a_twin_tells_its_optimizer(followed):
    model, follower = followed
    twin = training.accelerate(model)
    twin.compile("adam", crossentropy())
    assert follower.optimizers == [twin.optimizer]


def test_a_distiller_tells_its_optimizer(followed):
    model, follower = followed
    distiller = distill.Distiller(model, depthwise_net(1))
    distiller.compile("adam", crossentropy())
    assert follower.optimizers == [distiller.optimizer]


@pytest.mark.slow
@pytest.mark.parametrize("accelerate", [True, False])
def test_the_training_loop_tells_its_optimizer(followed, accelerate):
    model, follower = followed
    config = training.TrainConfig(epochs=1, batch_size=64, accelerate=accelerate)
    training.train(model, blobs(64), config=config)
    assert isinstance(follower.optimizers[-1], keras.optimizers.Adam)
