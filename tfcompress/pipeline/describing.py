"""Describe a Keras model: what it costs and which channels could be removed."""

from __future__ import annotations

from typing import Any

import keras

from tfcompress import graph
from tfcompress.pipeline.sources import ModelSource


def describe_model(source: ModelSource) -> dict[str, Any]:
    """Return cost per layer, channel groups, and what is fixed and why.

    Raises:
        ModelError: If the model cannot be loaded or traced.
    """
    model = source.load(str(source.path))
    traced = graph.trace(model)
    cost = graph.cost(traced)
    return {
        "name": model.name,
        "inputs": {t.name: list(t.shape) for t in model.inputs},
        "outputs": {
            name: list(tensor.shape)
            for name, tensor in zip(_output_names(model), model.outputs, strict=True)
        },
        "cost": {
            "macs": int(cost.macs),
            "params": int(cost.params),
            "size_bytes": int(cost.size_bytes),
        },
        "layers": {
            name: {
                "macs": int(layer.macs),
                "params": int(layer.params),
                "size_bytes": int(layer.size_bytes),
            }
            for name, layer in cost.layers.items()
        },
        "unknown": list(cost.unknown),
        "groups": [
            {"name": g.name, "size": int(g.size), "layers": list(g.layers)}
            for g in traced.groups
        ],
        "pinned": dict(traced.pinned),
    }


def _output_names(model: keras.Model) -> list[str]:
    """Return the names that labels and files have for the outputs."""
    names = graph.output_names(model)
    return names or [tensor.name for tensor in model.outputs]  # a Sequential has none
