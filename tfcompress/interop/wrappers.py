"""Take TensorFlow Model Optimization's wrappers off a Keras 2 layer.

==================  ==============================================================
wrapper             what is left
==================  ==============================================================
PruneLowMagnitude   the layer with its weights, zeros included
QuantizeWrapper     the float layer with the weights that were trained (V2, too); the
                    activation without its fake quantization
QuantizeAnnotate    the layer
QuantizeLayer       nothing: it passes its input on
ClusterWeights      the layer, each clustered weight replaced by its centroids
==================  ==============================================================

The wrappers are known by their class names, so that a model without them needs no
import of the package.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

WRAPPERS = (
    "PruneLowMagnitude",
    "QuantizeWrapper",
    "QuantizeWrapperV2",
    "QuantizeAnnotate",
    "ClusterWeights",
    "ClusterWeightsMHA",
)
PASSES_ON = ("QuantizeLayer",)
ALL = (*WRAPPERS, *PASSES_ON)


@dataclasses.dataclass(frozen=True)
class Bare:
    """A Keras 2 layer without wrappers.

    Attributes:
        layer: The inner layer; None where the wrapper only passes its input on.
        weights: Path of each weight below the layer, such as ``kernel``, and its value,
            in the layer's order.
    """

    layer: Any
    weights: tuple[tuple[str, Array], ...]

    def named(self) -> Mapping[str, Array]:
        """Return the weights by the last part of their path."""
        return {path.rsplit("/", 1)[-1]: value for path, value in self.weights}


def bare(layer: Any) -> Bare:
    """Return what is left of `layer` without TFMOT's wrappers; see the table above."""
    kind = type(layer).__name__
    if kind in PASSES_ON:
        return Bare(None, ())
    if kind not in WRAPPERS:
        return Bare(layer, tuple(_read(layer)))
    inner = bare(layer.layer)
    if kind.startswith("Quantize"):
        return Bare(inner.layer, tuple(_kept(layer, inner)))
    if kind.startswith("Cluster"):
        return Bare(inner.layer, tuple(_clustered(layer, inner)))
    return inner


def activation(function: Any) -> Any:
    """Return the activation without TFMOT's fake quantization around it."""
    kind = type(function).__name__
    if kind == "QuantizeAwareActivation":
        return activation(function.activation)
    return None if kind == "NoOpActivation" else function


def _read(layer: Any) -> list[tuple[str, Array]]:
    return [(path_of(weight), weight.numpy()) for weight in layer.weights]


def path_of(weight: Any) -> str:
    """Return the path of a Keras 2 variable without the device suffix.

    Example:
        >>> import tensorflow as tf
        >>> path_of(tf.Variable(1.0, name="conv/kernel"))
        'conv/kernel'
    """
    return str(weight.name).split(":", maxsplit=1)[0]


def _kept(wrapper: Any, inner: Bare) -> list[tuple[str, Array]]:
    """Add the trained float weights, which the wrapper takes from its layer."""
    trained = {w.ref(): w for w, *_ in getattr(wrapper, "_weight_vars", ())}
    known = {path for path, _ in inner.weights}
    own = [(path_of(w), w.numpy()) for w in trained.values()]
    return [*(pair for pair in own if pair[0] not in known), *inner.weights]


def _clustered(wrapper: Any, inner: Bare) -> list[tuple[str, Array]]:
    """Add each clustered weight, its values replaced by their nearest centroids."""
    found = list(inner.weights)
    originals = wrapper.original_clusterable_weights
    for position, name in sorted(wrapper.position_original_weights.items()):
        original = originals[name]
        masks = wrapper.sparsity_masks
        weight = original * masks[name] if name in masks else original
        algorithm = wrapper.clustering_algorithms[name]
        indices = algorithm.get_pulling_indices(weight)
        value = np.asarray(algorithm.get_clustered_weight(indices, weight))
        path = path_of(original)
        found = [pair for pair in found if pair[0] != path]
        found.insert(position, (path, value))
    return found
