"""Keras 2 models in, Keras 3 models out, and back.

Source: the layers' documentation of Keras 2.15 and 3.13; what differs between them is
listed where it is handled (`activations`, `configs`, `layers_in`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph import model_checks
from tfcompress.interop import exporting, importing, legacy, legacy_files, wrappers

PathLike = str | os.PathLike[str]


def from_keras2(
    path_or_model: PathLike | Any,
    *,
    architecture: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
    allow_lambda: bool = False,
) -> keras.Model:
    """Import a Keras 2 or TFMOT model as a Keras 3 model with equal outputs.

    Wrappers of TensorFlow Model Optimization (pruning, quantization-aware training,
    clustering) are taken off; what they learned stays in the weights.

    Args:
        path_or_model: A ``.h5`` or Keras 2 ``.keras`` file, a SavedModel folder that
            Keras 2 wrote, or a live ``tf_keras`` model.
        architecture: The network of a file that holds weights only (``.h5`` weights,
            a SavedModel without Keras metadata): a Keras 3 model, whose filled copy is
            returned, or a ``tf_keras`` model.
        custom_objects: By class name, the Keras 3 class of each custom layer; by name,
            a custom activation; by ``"tf.symbol"``, a function of `keras.ops`.
        allow_lambda: Run the Python code that the file carries in Lambda layers. Only
            for files whose author you trust.

    Returns:
        A new Keras 3 model, not compiled.

    Raises:
        ModelError: If it is no Keras 2 model, the file is missing or broken, or a layer
            has no counterpart; the message names the layer and says what to do.

    Example:
        >>> import tf_keras
        >>> old = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(4,))])
        >>> from_keras2(old).output_shape
        (None, 3)
    """
    known = dict(custom_objects or {})
    model_checks.require_tensorflow_backend()
    if not isinstance(path_or_model, str | os.PathLike):
        return importing.import_model(_live(path_or_model), known)
    if architecture is None:
        model = legacy_files.load(path_or_model, known, allow_lambda=allow_lambda)
        return importing.import_model(model, known)
    if not isinstance(architecture, keras.Model):
        twin = _live(architecture)
        twin = legacy.tf_keras().models.clone_model(twin)
        legacy_files.load_weights(twin, path_or_model)
        return importing.import_model(twin, known)
    twin = to_keras2(architecture, custom_objects=_legacy_only(known))
    legacy_files.load_weights(twin, path_or_model)
    filled = exporting.copied(architecture)
    exporting.carry_back(filled, {x.name: wrappers.bare(x) for x in twin.layers})
    return filled


def to_keras2(
    model: keras.Model, *, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Export a Keras 3 model as a ``tf_keras`` model with equal outputs.

    Nested models are inlined. Layers keep their names.

    Args:
        model: A built functional or sequential model.
        custom_objects: By class name, the ``tf_keras`` class of each custom layer; by
            name, a custom activation; by the class name of a `keras.ops` operation, a
            function of TensorFlow operations.

    Returns:
        A new functional ``tf_keras`` model, not compiled.

    Raises:
        ModelError: If it is no built Keras 3 model, or a layer has no counterpart; the
            message names the layer and says what to do.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> to_keras2(model).output_shape
        (None, 3)
    """
    model_checks.check_model(model)
    return exporting.export_model(model, dict(custom_objects or {}))


def _live(model: Any) -> Any:
    if isinstance(model, keras.Model):
        raise errors.ModelError(
            "This is a Keras 3 model already. Received: "
            f"{type(model).__name__} {model.name!r}. Use it as it is."
        )
    if not isinstance(model, legacy.tf_keras().Model):
        raise errors.ModelError(
            "This is not a Keras 2 model. Received: an object of type "
            f"{type(model).__module__}.{type(model).__name__}. Pass a tf_keras model "
            "or the path of a .h5 or .keras file or SavedModel folder."
        )
    return model


def _legacy_only(known: Mapping[str, Any]) -> dict[str, Any]:
    """Stand tf_keras placeholders in for Keras 3 classes; see `legacy_files`."""
    return legacy_files.placeholders(known)
