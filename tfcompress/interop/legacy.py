"""Import tf_keras and TensorFlow Model Optimization without changing this process.

``tensorflow_model_optimization`` sets ``TF_USE_LEGACY_KERAS=1`` when it is imported.
From then on the lazy ``tf.keras`` of this process means Keras 2 if nobody had used it
before, and so it does in every child process.  Here ``tf.keras`` is resolved first, and
the variable gets its old value back right after the import, whatever happens.

What stays is what ``import tf_keras`` does anywhere: TensorFlow knows how to load a
Keras 2 file.  Nothing of Keras 3 reads that.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfcompress import errors

VARIABLE = "TF_USE_LEGACY_KERAS"
_INSTALL = {
    "tf_keras": "tf-keras>=2.21,<2.22",
    "tensorflow_model_optimization": "tensorflow-model-optimization>=0.8.1,<0.9",
}


def tf_keras() -> Any:
    """Return the module ``tf_keras``.

    Raises:
        ModelError: If it cannot be imported.

    Example:
        >>> tf_keras().__version__.split(".")[0]
        '2'
    """
    return _guarded("tf_keras")


def tfmot() -> Any:
    """Return the module ``tensorflow_model_optimization``.

    Raises:
        ModelError: If it cannot be imported.

    Example:
        >>> before = os.environ.get("TF_USE_LEGACY_KERAS")
        >>> tfmot().__version__[:3]
        '0.8'
        >>> os.environ.get("TF_USE_LEGACY_KERAS") == before
        True
    """
    return _guarded("tensorflow_model_optimization")


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """Keep ``tf.keras`` and the environment as they are, and TensorFlow's log short."""
    _ = tf.keras.Model  # resolves the lazy module, by the user's own environment
    before = os.environ.get(VARIABLE)
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)  # deprecations that only Keras 2 could act on
    try:
        yield
    finally:
        logger.setLevel(level)
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def _guarded(name: str) -> Any:
    with untouched():
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise errors.ModelError(
                f"Keras 2 models need a package that cannot be imported. Received: "
                f"import {name} ({error}). Install it with "
                f"`pip install '{_INSTALL[name]}'`."
            ) from error
