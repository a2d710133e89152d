"""Load a file that Keras 2 wrote, with one clear sentence for each thing that fails.

What the file needs is read from its config before Keras 2 opens it: code in Lambda
layers, wrappers of TensorFlow Model Optimization, the version that wrote it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import keras

from tfcompress import errors
from tfcompress.interop import legacy, wrappers
from tfcompress.interop import placeholders as standing_in

PathLike = str | os.PathLike[str]

_H5_MAGIC = b"\x89HDF\r\n\x1a\n"
_UNKNOWN = re.compile(
    r"(?:Unknown (?:layer|object|activation function|initializer|regularizer|"
    r"constraint)|Could not locate (?:class|function)|"
    r"Cannot deserialize object of type):? ['`]([^'`]+)['`]"
)
_LAYER = re.compile(r'"class_name": "([^"]+)", "config": \{"name"')


def load(
    path: PathLike, custom_objects: Mapping[str, Any], *, allow_lambda: bool
) -> Any:
    """Load a live Keras 2 model from a file or SavedModel folder, not compiled.

    Raises:
        ModelError: If it is missing, broken, of Keras 3, holds weights only, code that
            is not allowed, or a class that `custom_objects` does not name.
    """
    path = pathlib.Path(path)
    text = _config_text(path)
    if '"class_name": "Lambda"' in text and not allow_lambda:
        raise errors.ModelError(
            "The file carries Python code in a Lambda layer. Received: "
            f"{path}. If you trust its author, opt in with `allow_lambda=True` or "
            "`--allow-lambda`."
        )
    kit = legacy.tf_keras()
    with _scopes(text), legacy.untouched(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return kit.models.load_model(
                path,
                custom_objects=placeholders(custom_objects),
                compile=False,
                safe_mode=not allow_lambda,
            )
        except Exception as error:  # Keras raises many kinds for one broken file
            raise _explained(path, text, custom_objects, error) from error


def load_weights(model: Any, path: PathLike) -> None:
    """Load a file's weights into a live Keras 2 model of the same architecture.

    Raises:
        ModelError: If the file is missing or broken, or its weights do not fit.
    """
    path = pathlib.Path(path)
    _check_exists(path)
    source = path / "variables" / "variables" if path.is_dir() else path
    try:
        status = model.load_weights(str(source))
        if path.is_dir():
            status.assert_existing_objects_matched()
            status.expect_partial()
    except Exception as error:  # as in `load`
        raise errors.ModelError(
            "The weights do not fit the architecture. Received: "
            f"{path} for {model.name!r} ({_first_line(error)}). Build the network that "
            "wrote them, layer by layer in the same order."
        ) from error


def placeholders(custom_objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Keras 2 can load in place of Keras 3 classes."""
    return {
        name: standing_in.placeholder(name, value)
        if isinstance(value, type) and issubclass(value, keras.layers.Layer)
        else value
        for name, value in custom_objects.items()
    }


def _check_exists(path: pathlib.Path) -> None:
    if not path.exists():
        raise errors.ModelError(
            f"There is no such model file. Received: {path}. Check the path."
        )


def _config_text(path: pathlib.Path) -> str:
    """Return the JSON text of a file's architecture, refusing what has none."""
    _check_exists(path)
    if path.is_dir():
        return _saved_model_text(path)
    with path.open("rb") as stream:
        head = stream.read(8)
    if head == _H5_MAGIC:
        return _h5_text(path)
    if zipfile.is_zipfile(path):
        return _archive_text(path)
    kind = "truncated" if head.startswith(b"PK\x03\x04") else "not a Keras model file"
    raise errors.ModelError(
        f"This file is {kind}. Received: {path}, which starts with {head!r}. Copy it "
        "again, or pass a .h5 or .keras file or SavedModel folder of Keras 2."
    )


def _h5_text(path: pathlib.Path) -> str:
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
    except OSError as error:
        raise errors.ModelError(
            f"The .h5 file is truncated or damaged. Received: {path} with "
            f"{path.stat().st_size} bytes ({_first_line(error)}). Copy it again."
        ) from error
    if str(_text(attributes.get("keras_version", ""))).startswith("3"):
        raise _keras_3(path)
    if "model_config" not in attributes:
        raise errors.ModelError(
            f"This file holds weights and no architecture. Received: {path}. Pass the "
            "network too: `interop.from_keras2(path, architecture=model)`."
        )
    return _spaced(_text(attributes["model_config"]))


def _archive_text(path: pathlib.Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if not {"config.json", "metadata.json"} <= names:
            raise errors.ModelError(
                f"This zip file is not a Keras model. Received: {path}. Pass a .h5 or "
                ".keras file or SavedModel folder of Keras 2."
            )
        text = archive.read("config.json").decode("utf-8")
        version = str(json.loads(archive.read("metadata.json"))["keras_version"])
    if version.startswith("3"):
        raise _keras_3(path)
    return _spaced(text)


def _saved_model_text(path: pathlib.Path) -> str:
    if not (path / "saved_model.pb").exists():
        raise errors.ModelError(
            f"This folder is no SavedModel. Received: {path} without saved_model.pb. "
            "Pass a .h5 or .keras file or SavedModel folder of Keras 2."
        )
    metadata = path / "keras_metadata.pb"
    if not metadata.exists():
        raise errors.ModelError(
            f"This SavedModel has no Keras 2 architecture. Received: {path} without "
            "keras_metadata.pb. Pass the network too: "
            "`interop.from_keras2(path, architecture=model)`."
        )
    return metadata.read_bytes().decode("utf-8", errors="replace")


def _keras_3(path: pathlib.Path) -> errors.ModelError:
    return errors.ModelError(
        f"This file was written by Keras 3. Received: {path}. Load it with "
        f"`tfcompress.graph.load_model({str(path)!r})`; it needs no import."
    )


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _spaced(text: str) -> str:
    """Return JSON as Python writes it, so that one pattern fits every file."""
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text


@contextlib.contextmanager
def _scopes(text: str) -> Iterator[None]:
    """Let Keras 2 find TFMOT's wrappers where the file names some."""
    with contextlib.ExitStack() as stack:
        if any(f'"{name}"' in text for name in wrappers.ALL):
            tfmot = legacy.tfmot()
            stack.enter_context(tfmot.quantization.keras.quantize_scope())
            stack.enter_context(tfmot.sparsity.keras.prune_scope())
            stack.enter_context(tfmot.clustering.keras.cluster_scope())
        yield


def _explained(
    path: pathlib.Path, text: str, known: Mapping[str, Any], error: Exception
) -> errors.ModelError:
    said = _UNKNOWN.search(str(error))
    unknown = said[1] if said else _unknown_layer(text, known)
    if unknown:
        return errors.ModelError(
            "The file needs a custom object that is not known. Received: "
            f"{path} with {unknown!r}. Write it for Keras 3 and pass "
            f"custom_objects={{{unknown!r}: YourClass}}, or `--import` its module."
        )
    if path.suffix == ".keras" and "quantize_layer" in str(error):
        return errors.ModelError(
            "Keras 2 cannot load its own .keras file of a quantization-aware model. "
            f"Received: {path} ({_first_line(error)}). Save the model as .h5 instead."
        )
    return errors.ModelError(
        f"Keras 2 cannot load this file. Received: {path} ({_first_line(error)}). "
        "Copy it again; if only its weights are sound, pass architecture=model."
    )


def _unknown_layer(text: str, known: Mapping[str, Any]) -> str | None:
    """Return the first layer class of a file that nobody here has heard of."""
    kit = legacy.tf_keras()
    models = ("Functional", "Sequential", "Model", *wrappers.ALL)
    operations = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod")
    for name in _LAYER.findall(text):
        own = name in known or name in models or name in operations
        if not own and not hasattr(kit.layers, name):
            return str(name)
    return None


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
