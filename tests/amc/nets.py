"""Networks whose costs can be worked out by hand, and what stands for judging them."""

from __future__ import annotations

import keras
import numpy as np

from tfcompress import graph
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.rewards import Evaluated
from tfcompress.channels import Budget

L = keras.layers


def dense_chain(*widths, inputs=10, classes=2) -> graph.LayerGraph:
    """Return the graph of Dense layers a, b, c ... and a head, all without biases."""
    x = image = keras.Input((inputs,))
    for name, width in zip("abcdefghijklm", widths, strict=False):
        x = L.Dense(width, use_bias=False, name=name)(x)
    x = L.Dense(classes, use_bias=False, name="head")(x)
    return graph.trace(keras.Model(image, x, name="chain"))


class Judged(dict):
    """Stands for plans that were judged before: all of them, with one result."""

    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return Evaluated(metric=0.5, macs=1, params=1, size_bytes=1)


def play(environment, actions):
    """Run one episode; return its time steps and infos, the first step included."""
    steps, infos = [environment.reset()], []
    for action in actions:
        steps.append(environment.step(action))
        infos.append(environment.info)
    assert steps[-1].last()
    return steps, infos


def made(layer_graph, budget, **settings):
    """Return an environment that never judges."""
    values = {"round_to": 1, "known": Judged(), **settings}
    return CompressionEnvironment(
        layer_graph, budget=budget, evaluate=lambda _: 0.5, **values
    )


def chain(budget=None, **settings):
    """Return the environment of 10 -> a 8 -> b 8 -> 2: 10 a + a b + 2 b MACs."""
    return made(
        dense_chain(8, 8), budget or Budget(macs=0.5), **{"min_ratio": 0.25, **settings}
    )


def uneven(layer_graph, plan):
    """Return a cost that is lower for some wider layers: 50 for each odd width."""
    odd = sum(width % 2 for width in plan.widths().values())
    return graph.cost(layer_graph, plan).params + 50 * odd


class Counting:
    """Judges by the sum of the weights, and counts how often."""

    def __init__(self):
        self.models = []

    def __call__(self, model):
        self.models.append(model)
        return sum(float(np.abs(w).sum()) for w in model.get_weights()) / 1000
