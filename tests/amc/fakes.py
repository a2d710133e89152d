"""Small problems whose search takes a second."""

from __future__ import annotations

import numpy as np

from tests.models import randomise
from tests.slimming.fakes import corners, small_net
from tfcompress import graph
from tfcompress.amc import AmcConfig
from tfcompress.amc.problem import make_problem


def quick(**settings):
    """Return settings for a search of a few small episodes, without repair."""
    base = {
        "episodes": 8,
        "warmup_episodes": 4,
        "batch_size": 8,
        "hidden_units": 8,
        "round_to": 4,
        "reconstruct": False,
    }
    return AmcConfig(**{**base, **settings})


def network(*widths):
    """Build a network with random weights and three groups to decide about."""
    return randomise(small_net(*(widths or (16, 24, 24))))


def survival(model) -> float:
    """Judge a model by its weights alone: how much of them, squared, is left.

    The reward then depends on every decision, and needs no images.
    """
    left = [
        float(np.square(layer.kernel.numpy()).mean())
        for layer in model.layers
        if hasattr(layer, "kernel")
    ]
    return float(np.tanh(np.mean(left)))


def conv1_inputs(model) -> float:
    """Judge by one group alone: the part of conv0's channels that conv1 still reads."""
    kernel = model.get_layer("conv1").kernel.numpy()
    return float((np.abs(kernel).sum(axis=(0, 1, 3)) > 0).mean())


SIZES, FLOORS = (16, 24, 24), (4, 8, 8)  # a fifth, rounded up to blocks of 4


def made(evaluate=survival, widths=SIZES, **settings):
    """Put a small problem together."""
    budget = settings.pop("budget", None)
    return make_problem(
        network(*widths), corners(), config=quick(**settings), evaluate=evaluate,
        budget=budget,
    )  # fmt: skip


def share(problem, widths) -> float:
    """Return the part of the MACs that a plan leaves."""
    cost = graph.cost(problem.layer_graph, problem.plans.plan(widths))
    return cost.macs / graph.cost(problem.layer_graph).macs


__all__ = ["corners", "network", "quick", "survival"]
