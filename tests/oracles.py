"""An oracle for constant folding that shares no code with it.

It switches the removed channels off at their sources, by weights alone: the kernel
columns that make them become zero, and the scale of every BatchNorm they run through
becomes zero. What the network then computes is "masked to constant".
"""

from __future__ import annotations

import keras
import numpy as np

from tfcompress.graph import LayerGraph, PruningPlan


def switched_off(graph: LayerGraph, plan: PruningPlan) -> keras.Model:
    """Return a same-shape model with the dropped channels off at their sources.

    Only for models without nested models, whose clone keeps every layer's name.
    """
    model = keras.models.clone_model(graph.model)
    model.set_weights(graph.model.get_weights())
    for group in graph.groups:
        keep = plan.keep.get(group.name)
        if keep is None:
            continue
        off = np.setdiff1d(np.arange(group.size), keep)
        for place in (*group.producers, *group.scales):
            _zero(model.get_layer(place.layer), place, off)
    return model


def _zero(layer, place, off) -> None:
    for variable in layer.variables:
        if variable.name == place.variable:
            value = variable.numpy()
            index = [slice(None)] * value.ndim
            index[place.axis] = np.isin(place.channel, off)
            value[tuple(index)] = 0
            variable.assign(value)
