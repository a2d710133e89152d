"""Refuse another Keras backend than TensorFlow before Keras tries to import it."""

from __future__ import annotations

import json
import os
import pathlib

from tfcompress import errors


def require_tensorflow() -> None:
    """Check what Keras will run on, as Keras itself finds it out.

    Raises:
        ModelError: If the environment or keras.json names another backend.
    """
    backend = os.environ.get("KERAS_BACKEND") or _configured()
    if backend != "tensorflow":
        raise errors.ModelError(
            "tfcompress needs Keras' TensorFlow backend. Received: KERAS_BACKEND="
            f"{backend}. Set `KERAS_BACKEND=tensorflow` and start again; .keras files "
            "of other backends load there."
        )


def _configured() -> str:
    home = os.environ.get("KERAS_HOME", "~/.keras")
    path = pathlib.Path(home).expanduser() / "keras.json"
    try:
        backend = json.loads(path.read_text("utf-8")).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"  # Keras writes the file anew
    return str(backend)
