"""A forward pass as narrow as the plan: compiled once, for every number of channels.

A candidate model has the shape of the original, with zeros where channels are removed,
so evaluating it costs what the original costs.  Here its graph is run again with every
weight cut, inside the compiled function, to the channels that are kept::

    same shape    conv [3, 3, 64, 64], half of it zeros       all of the MACs
    elastic       gather(conv, kept in, kept out)             those of the pruned model

The kept positions are variables of open length, so no plan needs a new trace.  What is
computed is what the pruned model computes: the slices are those that surgery makes.

A graph that cuts channels of a layer without an entry in the table below cannot be run
this way (`can_run`), nor can one of several inputs or of mixed precision; it is judged
at its full shape.
Layers whose channels are fixed are called as they are, whatever their class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import tree

from tfcompress import graph
from tfcompress.graph import surgery
from tfcompress.graph.channel_rules import Axis, Effect
from tfcompress.graph.reading import Call
from tfcompress.graph.rebuilding import arguments

layers = keras.layers
Read = Callable[[str], Any]
"""Returns a weight of the layer at hand, by its short name, cut to what is kept."""


class ElasticForward:
    """Runs a candidate model at the width of the plan that is assigned to it.

    It is called like a model, at inference.

    Args:
        candidate: The model whose weights are read; `can_run` must hold for its graph.

    Attributes:
        name: The model's.
        outputs: The model's, for their shapes.

    Example:
        >>> x = inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(3, activation="relu", name="hidden")(x)
        >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
        >>> candidate = graph.CandidateModel(model)
        >>> plan = graph.PruningPlan.of(candidate.graph, {"hidden": [0, 2]})
        >>> candidate.assign(plan)
        >>> forward = ElasticForward(candidate)
        >>> forward.keep(plan)
        >>> x = tf.ones((1, 4))
        >>> bool(np.allclose(forward(x), candidate.model(x)))
        True
    """

    def __init__(self, candidate: graph.CandidateModel) -> None:
        self.name, self.outputs = candidate.model.name, candidate.model.outputs
        self._candidate, self._graph = candidate, candidate.graph
        self._axes = _cut_axes(self._graph)
        self._kept = {
            atoms: tf.Variable(np.arange(axis.atoms.size), shape=(None,), dtype="int32")
            for atoms, axis in self._axes.items()
        }

    def keep(self, plan: graph.PruningPlan) -> None:
        """Set the width: that of the plan which the candidate was assigned."""
        kept = self._graph.kept_atoms(plan)
        for atoms, axis in self._axes.items():
            positions = np.flatnonzero(kept[axis.atoms])
            self._kept[atoms].assign(positions.astype(np.int32))

    def __call__(self, x: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras's form
        """Return what the pruned model returns.

        Args:
            x: The model's one input.
            training: Must be false.
        """
        if training:
            raise ValueError(f"it only predicts. Received: training={training}")
        flat = self._graph.flat
        (number,), (x,) = flat.input_tensors(), tree.flatten(x)
        tensors = {number: tf.cast(x, flat.tensors[number].dtype)}
        for call, effect in zip(flat.calls, self._graph.effects, strict=True):
            args, kwargs = arguments(call, tensors)
            made = self._run(call, effect, args, kwargs)
            tensors.update(zip(call.outputs, tree.flatten(made), strict=True))
        return tree.map_structure(lambda ref: tensors[ref.tensor], flat.outputs)

    def _run(self, call: Call, effect: Effect, args: Any, kwargs: Any) -> Any:
        layer = self._candidate.layers[call.name]
        if not _is_cut(self._graph, call, effect):
            args, kwargs = self._whole(call, (args, kwargs))
            return layer(*args, **kwargs)
        x = next(filter(tf.is_tensor, tree.flatten((args, kwargs))))
        if type(layer) in _RESHAPES:
            return self._reshaped(call, x)
        run = _RUN.get(type(layer))
        if run is None:
            return layer.call(*args, **kwargs)

        def read(name: str) -> Any:
            value = tf.convert_to_tensor(getattr(layer, name))
            axes = surgery.axes_of(self._graph, call.name, name)
            for place, axis in enumerate(axes):
                atoms = b"" if axis is None else axis.atoms.tobytes()
                if atoms in self._kept:
                    value = tf.gather(value, self._kept[atoms], axis=place)
            return value

        return run(layer, x, read)

    def _reshaped(self, call: Call, x: Any) -> Any:
        """Reshape to what the graph says, with as many channels as there are."""
        (made,) = call.outputs
        shape: list[Any] = list(self._graph.flat.tensors[made].shape)
        channels = self._graph.channels[made]
        shape[0] = tf.shape(x)[0]
        shape[-1 if channels is None else channels.axis] = -1
        return tf.reshape(x, shape)

    def _whole(self, call: Call, arguments: Any) -> Any:
        """Give the tensors of an uncut call the shapes that a gather has hidden."""
        shapes = iter([self._graph.flat.tensors[i].shape for i in call.inputs])

        def shaped(value: Any) -> Any:
            return (
                tf.ensure_shape(value, next(shapes)) if tf.is_tensor(value) else value
            )

        return tree.map_structure(shaped, arguments)


def can_run(layer_graph: graph.LayerGraph) -> bool:
    """Return whether every call that a plan may cut has an entry in the table.

    Example:
        >>> x = inputs = keras.Input((4, 4, 2))
        >>> x = keras.layers.Conv2D(8, 3)(x)
        >>> x = keras.layers.Conv2D(8, 1, groups=2)(x)
        >>> can_run(graph.trace(keras.Model(inputs, x)))
        False
    """
    kinds = {getattr(call.layer, "compute_dtype", None) for call in layer_graph.nodes}
    if len(layer_graph.flat.input_tensors()) != 1 or not kinds <= {None, "float32"}:
        return False
    return all(
        _has_entry(call.layer, effect)
        for call, effect in zip(
            layer_graph.flat.calls, layer_graph.effects, strict=True
        )
        if _is_cut(layer_graph, call, effect)
    )


def _is_cut(layer_graph: graph.LayerGraph, call: Call, effect: Effect) -> bool:
    """Return whether a plan may change what goes through a call, or its weights."""
    held = [layer_graph.channels[i] for i in (*call.inputs, *call.outputs)]
    atoms = [channels.atoms for channels in held if channels is not None]
    atoms += [
        a.atoms for axes in effect.weights.values() for a in axes if a is not None
    ]
    return any(_may_go(layer_graph, one) for one in atoms)


def _may_go(layer_graph: graph.LayerGraph, atoms: npt.NDArray[Any]) -> bool:
    roots = layer_graph.classes.root[atoms]
    return any(np.isin(roots, group.roots).any() for group in layer_graph.groups)


def _cut_axes(layer_graph: graph.LayerGraph) -> dict[bytes, Axis]:
    """Return one axis of each kind that a plan may cut, by its atoms."""
    found: dict[bytes, Axis] = {}
    for call, effect in zip(layer_graph.flat.calls, layer_graph.effects, strict=True):
        for name in (*effect.weights, "bias"):
            for axis in surgery.axes_of(layer_graph, call.name, name):
                if axis is not None and _may_go(layer_graph, axis.atoms):
                    found.setdefault(axis.atoms.tobytes(), axis)
    return found


def _has_entry(layer: Any, effect: Effect) -> bool:
    kind = type(layer)
    if kind in _RUN:
        return getattr(layer, "groups", 1) == 1
    if kind in _RESHAPES or kind in _PLAIN:
        return True
    is_operation = kind.__module__.startswith("keras.src.ops.")
    return is_operation and effect.edits is None and kind.__name__ != "GetItem"


def _convolution(layer: Any, x: Any, read: Read) -> Any:
    padding = layer.padding
    if padding == "causal":  # TensorFlow has no such padding
        x = tf.pad(x, layer._compute_causal_padding())  # noqa: SLF001 - as Keras pads
        padding = "valid"
    y = tf.nn.convolution(
        x,
        read("kernel"),
        strides=layer.strides,
        padding=padding.upper(),
        dilations=layer.dilation_rate,
    )
    return _finished(layer, y, read)


def _depthwise(layer: Any, x: Any, read: Read) -> Any:
    y = tf.nn.depthwise_conv2d(x, read("kernel"), **_window(layer))
    return _finished(layer, y, read)


def _separable(layer: Any, x: Any, read: Read) -> Any:
    kernels = read("depthwise_kernel"), read("pointwise_kernel")
    y = tf.nn.separable_conv2d(x, *kernels, **_window(layer))
    return _finished(layer, y, read)


def _window(layer: Any) -> dict[str, Any]:
    return {
        "strides": (1, *layer.strides, 1),
        "padding": layer.padding.upper(),
        "dilations": layer.dilation_rate,
    }


def _dense(layer: Any, x: Any, read: Read) -> Any:
    kernel = read("kernel")
    rows = tf.reshape(x, [-1, tf.shape(kernel)[0]])
    shape = tf.concat([tf.shape(x)[:-1], tf.shape(kernel)[1:]], axis=0)
    return _finished(layer, tf.reshape(rows @ kernel, shape), read)


def _finished(layer: Any, y: Any, read: Read) -> Any:
    """Add the bias and apply the activation."""
    if layer.use_bias:
        y = y + read("bias")
    return y if layer.activation is None else layer.activation(y)


def _batch_norm(layer: Any, x: Any, read: Read) -> Any:
    mean, variance = read("moving_mean"), read("moving_variance")
    gamma = read("gamma") if layer.scale else tf.ones_like(mean)
    beta = read("beta") if layer.center else tf.zeros_like(mean)
    if len(x.shape) == 4:
        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=mean,
            variance=variance,
            epsilon=layer.epsilon,
            is_training=False,
        ).y
    scale = gamma * tf.math.rsqrt(variance + layer.epsilon)
    return x * scale + (beta - mean * scale)


def _same(_: Any, x: Any, __: Read) -> Any:
    return x


_RUN: Mapping[type, Callable[[Any, Any, Read], Any]] = {
    layers.Conv1D: _convolution,
    layers.Conv2D: _convolution,
    layers.Conv3D: _convolution,
    layers.DepthwiseConv2D: _depthwise,
    layers.SeparableConv2D: _separable,
    layers.Dense: _dense,
    layers.BatchNormalization: _batch_norm,
    layers.Dropout: _same,
    layers.SpatialDropout2D: _same,
    layers.GaussianNoise: _same,
}

_RESHAPES = (layers.Flatten, layers.Reshape)

# Layers without weights whose own `call` takes any number of channels.
_PLAIN = frozenset(
    {
        layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU,
        layers.Add, layers.Subtract, layers.Multiply, layers.Average,
        layers.Maximum, layers.Minimum, layers.Concatenate,
        layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D,
        layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D,
        layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D,
        layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D,
        layers.ZeroPadding1D, layers.ZeroPadding2D,
        layers.Cropping1D, layers.Cropping2D, layers.UpSampling2D,
    }
)  # fmt: skip
