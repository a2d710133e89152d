"""The state that the agent sees at a decision: 11 numbers in [0, 1].

::

    t, n, c, h, w, stride, k, cost[t]      |  reduced, rest, a[t-1]
    fixed; scaled to [0, 1] over the          as the episode goes
    decisions

``n`` and ``c`` are the output and input channels of the group's first reader; ``h``,
``w``, ``stride`` and ``k`` its input size, stride and window; ``cost[t]`` is what all
layers that the group runs through cost.  The moving numbers come from one count of the
cost, of the plan with the executed decisions cut and all later groups whole::

    reduced = 1 - cost(plan so far) / cost(whole)
    rest    = cost(plan so far) of the layers that later decisions touch / cost(whole)
    a[t-1]  = the ratio executed last; 1 at the first decision

so that ``reduced + rest <= 1`` at every step.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.1.  Where we differ: the authors' program
mixes fractions of weights and of FLOPs and counts all depthwise layers in every
``rest``; here both are fractions of one total, by what the rounded plan costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.amc.decisions import Decision
from tfcompress.amc.plan_costs import PlanCosts

Array = npt.NDArray[Any]

NUM_FEATURES = 11
"""Size of an observation."""


class Observer:
    """Makes the observations of the decisions of one graph.

    Args:
        layer_graph: The traced model.
        decisions: The decisions, in order.
        costs: Counts what plans cost.
    """

    def __init__(
        self,
        layer_graph: graph.LayerGraph,
        decisions: Sequence[Decision],
        costs: PlanCosts,
    ) -> None:
        self._costs = costs
        whole = costs.cost(graph.PruningPlan.full(layer_graph))
        by_layer = costs.by_layer(whole)
        self._whole = max(sum(by_layer.values()), 1)
        touched = [
            float(sum(by_layer.get(name, 0) for name in decision.touches))
            for decision in decisions
        ]
        readers = [decision.layer for decision in decisions]
        self._fixed = fixed_features(layer_graph, readers, touched)
        self._later = _touched_later(decisions, tuple(by_layer))

    def observe(self, cost: graph.Cost, t: int, ratio: float) -> Array:
        """Return the observation of decision `t`.

        Args:
            cost: Of the plan so far, the groups that are not decided whole.
            t: Position of the decision. After the last one its fixed numbers stay.
            ratio: What was executed last.
        """
        t = min(t, len(self._fixed) - 1)
        by_layer = list(self._costs.by_layer(cost).values())
        reduced = 1 - sum(by_layer) / self._whole
        rest = float(np.dot(self._later[t], by_layer)) / self._whole
        moving = np.clip([reduced, rest, ratio], 0.0, 1.0)
        return np.concatenate([self._fixed[t], moving]).astype(np.float32)


def fixed_features(
    layer_graph: graph.LayerGraph, layers: Sequence[str], costs: Sequence[float]
) -> Array:
    """Return the features that do not change, scaled to [0, 1] over the decisions.

    A feature that is the same for all decisions is 0.

    Args:
        layer_graph: The traced model.
        layers: The layer of each decision, in order.
        costs: What each decision is about, in any unit.

    Returns:
        Array `[decisions, 8]`: t, n, c, h, w, stride, k, cost.
    """
    rows = [
        (t, *_layer_shape(layer_graph, name), cost)
        for t, (name, cost) in enumerate(zip(layers, costs, strict=True))
    ]
    table = np.array(rows, np.float64)
    low, high = table.min(axis=0), table.max(axis=0)
    scaled: Array = (table - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _layer_shape(layer_graph: graph.LayerGraph, name: str) -> tuple[int, ...]:
    """Return n, c, h, w, stride and k of the first call of a layer."""
    call = next(call for call in layer_graph.nodes if call.name == name)
    source, made = layer_graph.channels[call.inputs[0]], call.outputs[0]
    shape = layer_graph.flat.tensors[call.inputs[0]].shape
    axis = len(shape) - 1 if source is None else source.axis
    spatial = [dim or 1 for i, dim in enumerate(shape) if i not in (0, axis)]
    height, width = (*spatial, 1, 1)[:2]
    after = layer_graph.channels[made]
    out = (
        layer_graph.flat.tensors[made].shape[-1] if after is None else len(after.atoms)
    )
    return (
        out or 1,
        shape[axis] or 1,
        height,
        width,
        _largest(getattr(call.layer, "strides", 1)),
        _largest(getattr(call.layer, "kernel_size", 1)),
    )


def _largest(value: Any) -> int:
    return int(max(value)) if isinstance(value, Iterable) else int(value)


def _touched_later(decisions: Sequence[Decision], layers: Sequence[str]) -> Array:
    """Return for each decision which layers those after it touch.

    Returns:
        Booleans `[decisions, layers]`.
    """
    touches = [[name in decision.touches for name in layers] for decision in decisions]
    later = np.zeros((len(decisions), len(layers)), bool)
    for t in range(len(decisions) - 1):
        later[t] = np.any(touches[t + 1 :], axis=0)
    return later
