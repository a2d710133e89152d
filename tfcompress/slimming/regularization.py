"""Put an L1 penalty on the BatchNorm scales of a finished model, and take it off again.

    loss = task loss + strength * sum over prunable channels of |gamma|

The penalty pushes the scales of channels that the task hardly uses towards zero, and so
the model says itself which channels it can do without.  A model's layers keep the
regularizer they were built with (setting one on a built layer does nothing), so a new,
equal model is built; only scales on channels that can be removed get the penalty.

Source: Liu et al., "Learning Efficient Convolutional Networks through Network
Slimming", ICCV 2017, equation 1.  The gradient of Keras' L1 regularizer is the paper's
subgradient, ``strength * sign(gamma)`` with ``sign(0) = 0``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfcompress import errors, graph
from tfcompress.config import require
from tfcompress.graph.cloning import clone
from tfcompress.slimming.layers import SparseBatchNormalization
from tfcompress.slimming.soft_threshold import SoftThreshold
from tfcompress.training.following import follow_optimizer

_OWN_SETTINGS = ("strength", "proximal", "learning_rate")


def regularize_scales(
    model: keras.Model,
    *,
    strength: float = 1e-4,
    proximal: bool = False,
    unfreeze: bool = False,
) -> keras.Model:
    """Return an equal model whose prunable BatchNorm scales are trained to be sparse.

    Compile and fit it like any model; its weights are its own, `model` is not changed.
    A BatchNorm without scales (``scale=False``) on prunable channels gets scales of 1.

    Args:
        model: A built functional or Sequential model with BatchNormalization layers.
        strength: Weight of the penalty. The paper: 1e-4 (VGG on CIFAR), 1e-5 (ResNet,
            DenseNet, ImageNet).
        proximal: Shrink scales by a soft threshold after every optimizer step, which
            gives exact zeros, instead of by the subgradient; see
            `tfcompress.slimming.soft_threshold` for the strength to choose.
        unfreeze: Make the whole model trainable, instead of refusing frozen scales.

    Returns:
        A plain `keras.Model`, compiled like `model` if that is; `remove_regularization`
        takes the penalty off again.

    Raises:
        ModelError: If no prunable channel has a BatchNorm, or one is frozen.
        ConfigError: If `strength` is not above 0.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> x = keras.layers.Conv2D(4, 3)(image)
        >>> x = keras.layers.BatchNormalization(name="norm")(x)
        >>> x = keras.layers.GlobalAveragePooling2D()(x)
        >>> model = keras.Model(image, keras.layers.Dense(2)(x))
        >>> sparse = regularize_scales(model, strength=1e-2)
        >>> [round(float(loss), 6) for loss in sparse.losses]  # 1e-2 * 4 scales of 1
        [0.04]
    """
    require(strength > 0, "strength", strength, "above 0")
    norms = prunable_norms(graph.trace(model))
    if not norms:
        raise _without_norms(model)
    if not unfreeze:
        _refuse_frozen(model, norms)
    change = functools.partial(_penalised, strength=strength, proximal=proximal)
    sparse = clone(model, {id(layer): change for layer in norms.values()})
    if unfreeze:
        _unfreeze(sparse)
    follow_optimizer(sparse)
    return sparse


def remove_regularization(model: keras.Model) -> keras.Model:
    """Return an equal model without any L1 penalty or soft threshold on scales.

    `SparseBatchNormalization` layers become plain ones, so the result saves and loads
    without custom objects.

    Args:
        model: A model from `regularize_scales`, or one with `SparseBatchNormalization`.
    """
    changes: dict[int, Callable[[Any], Any]] = {
        id(layer): _plain
        for layer in graph.trace(model).layers.values()
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    return clone(model, changes)


def prunable_norms(layer_graph: graph.LayerGraph) -> dict[str, Any]:
    """Return the BatchNormalization layers on channels that can be removed, by name."""
    return {
        part.layer: layer_graph.layers[part.layer]
        for group in layer_graph.groups
        for part in (*group.scales, *group.followers)
        if isinstance(layer_graph.layers[part.layer], keras.layers.BatchNormalization)
    }


def _penalised(layer: Any, *, strength: float, proximal: bool) -> Any:
    """Return an unbuilt BatchNormalization with the penalty on its scales."""
    settings = _plain_settings(layer)
    if not layer.scale:
        settings["gamma_initializer"] = "ones"
    if proximal:
        settings["gamma_constraint"] = SoftThreshold(
            strength, then=settings["gamma_constraint"]
        )
    else:
        settings["gamma_regularizer"] = _with_l1(
            settings["gamma_regularizer"], strength
        )
    return keras.layers.BatchNormalization(**{**settings, "scale": True})


def _plain(layer: Any) -> Any:
    return keras.layers.BatchNormalization(**_plain_settings(layer))


def _plain_settings(layer: Any) -> dict[str, Any]:
    """Return the arguments of a BatchNormalization without what slimming added."""
    settings: dict[str, Any] = keras.layers.BatchNormalization.get_config(layer)
    if isinstance(layer, SparseBatchNormalization):
        settings = {k: v for k, v in settings.items() if k not in _OWN_SETTINGS}
    settings["gamma_regularizer"] = _without_l1(layer.gamma_regularizer)
    constraint = layer.gamma_constraint
    settings["gamma_constraint"] = (
        constraint.then if isinstance(constraint, SoftThreshold) else constraint
    )
    return settings


def _with_l1(other: Any, strength: float) -> Any:
    """Add an L1 penalty to the model's own L2 penalty, if it has one."""
    if other is None:
        return keras.regularizers.L1(strength)
    return keras.regularizers.L1L2(l1=strength, l2=float(other.l2))


def _without_l1(regularizer: Any) -> Any:
    """Return the L2 part of a penalty on scales.

    Raises:
        ModelError: If it is neither L1 nor L2.
    """
    if regularizer is None or type(regularizer) is keras.regularizers.L1:
        return None
    if isinstance(regularizer, keras.regularizers.L2 | keras.regularizers.L1L2):
        l2 = float(regularizer.l2)
        return keras.regularizers.L2(l2) if l2 else None
    raise errors.ModelError(
        "A BatchNormalization has a penalty on its scales that cannot be combined with "
        f"L1. Received: gamma_regularizer={type(regularizer).__name__}. Build the "
        "layer without it, or with keras.regularizers.L2."
    )


def _refuse_frozen(model: keras.Model, norms: Mapping[str, Any]) -> None:
    trainable = {id(variable) for variable in model.trainable_variables}
    frozen = [
        name
        for name, layer in norms.items()
        if not (layer.trainable and trainable & {id(v) for v in layer.weights})
    ]
    if frozen:
        raise errors.ModelError(
            "The BatchNormalization scales cannot be trained towards zero while they "
            f"are frozen. Received: {len(frozen)} of {len(norms)} frozen in model "
            f"{model.name!r}, the first is {frozen[0]!r}. Unfreeze them with "
            f"`{_unfreezing_line(model, norms[frozen[0]])}`, or pass `unfreeze=True`."
        )


def _unfreezing_line(model: keras.Model, norm: Any) -> str:
    """Return the line that unfreezes a layer and what was frozen with it.

    On the TensorFlow backend, ``model.trainable = True`` does nothing to the layers of
    a model whose own flag is true, so the line must name the outermost frozen object.
    """
    path = "model"
    while model.trainable:
        holder = next(layer for layer in model.layers if _holds(layer, norm))
        if not (isinstance(holder, keras.Model) and holder.trainable):
            return f"for layer in {path}.layers: layer.trainable = True"
        model, path = holder, f"{path}.get_layer({holder.name!r})"
    return f"{path}.trainable = True"


def _holds(layer: Any, norm: Any) -> bool:
    inner = layer.layers if isinstance(layer, keras.Model) else ()
    return layer is norm or any(_holds(part, norm) for part in inner)


def _unfreeze(layer: Any) -> None:
    layer.trainable = True
    if isinstance(layer, keras.Model):
        for part in layer.layers:
            _unfreeze(part)


def _without_norms(model: keras.Model) -> errors.ModelError:
    return errors.ModelError(
        "Network Slimming needs BatchNormalization layers on channels that can be "
        f"removed. Received: model {model.name!r}, which has none. Prune it by its "
        'weights instead: `score(model, criterion="l1_norm")`, or on the command line '
        "`tfcompress prune --criterion l1_norm`."
    )
