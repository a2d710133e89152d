"""Refuse, before any work, a model object that the toolkit cannot work with."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfcompress import errors


def check_model(model: Any) -> None:
    """Check that `model` is a built Keras 3 model with finite weights.

    Raises:
        ModelError: If it is not; the message says which and what to do.

    Example:
        >>> check_model(keras.Sequential([keras.layers.Dense(3)], name="head"))
        Traceback (most recent call last):
        tfcompress.errors.ModelError: The model is not built, so its shapes are \
unknown. Received: 'head'. Build it with `model.build((None, 224, 224, 3))` before \
saving, or give `--input-shape 224,224,3`.
    """
    require_tensorflow_backend()
    _check_type(model)
    if not model.built:
        raise errors.ModelError(
            f"The model is not built, so its shapes are unknown. Received: "
            f"{model.name!r}. Build it with `model.build((None, 224, 224, 3))` before "
            "saving, or give `--input-shape 224,224,3`."
        )
    check_finite(model)


def check_finite(model: keras.Model) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        ModelError: If one is; the message names the first such variable.
    """
    for variable in model.variables:
        if "float" not in keras.backend.standardize_dtype(variable.dtype):
            continue  # seeds and counters
        value = keras.ops.convert_to_numpy(variable).astype("float32")
        bad = int(value.size - np.isfinite(value).sum())
        if bad:
            raise errors.ModelError(
                f"The model has weights that are not finite. Received: {bad} of "
                f"{value.size} values of {variable.path!r} are NaN or infinite. Train "
                "it again, or load an earlier checkpoint."
            )


def require_tensorflow_backend() -> None:
    """Check that Keras runs on TensorFlow, which conversion and training need.

    Raises:
        ModelError: If Keras runs on another backend.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise errors.ModelError(
            f"tfcompress needs Keras' TensorFlow backend. Received: KERAS_BACKEND="
            f"{backend}. Set `KERAS_BACKEND=tensorflow` and start again; .keras files "
            "of other backends load there."
        )


def _check_type(model: Any) -> None:
    if isinstance(model, keras.Model):
        return
    module = type(model).__module__
    kind = f"{module}.{type(model).__name__}"
    if module.startswith("tf_keras") or _has_keras_2_base(model):
        raise errors.ModelError(
            f"This is a Keras 2 model, and tfcompress works on Keras 3. Received: "
            f"{kind}. Pass `interop.from_keras2(model)`."
        )
    raise errors.ModelError(
        f"This is not a Keras model. Received: {kind}. Pass a built keras.Model."
    )


def _has_keras_2_base(model: Any) -> bool:
    return any(base.__module__.startswith("tf_keras") for base in type(model).__mro__)
