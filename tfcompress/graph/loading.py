"""Load a trained model from a file, with one clear sentence for each thing that fails.

Keras' safe mode stays on: a file that carries Python code runs only if the caller
allows it.  A model with flexible image sizes can be given one fixed input shape, which
costs and conversion need.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import re
import sys
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph.cloning import Copies
from tfcompress.graph.model_checks import check_model

PathLike = str | os.PathLike[str]
Shape = Sequence[int | None]

_H5_SUFFIXES = (".h5", ".hdf5")
_H5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"
_TFLITE_MAGIC = b"TFL3"  # behind four bytes of an offset
_UNKNOWN_OBJECT = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown (?:layer|loss|metric|optimizer|"
    r"object|activation|initializer|regularizer|constraint)[^:']*:?) '([^']+)'"
)
_MIGRATE = (
    "Import it with `tfcompress import {path} -o model.keras` or "
    "`interop.from_keras2({path!r})`; a file of weights alone needs the network too "
    "(`--architecture`, `architecture=`)."
)


def load_model(
    source: PathLike | keras.Model,
    *,
    imports: Sequence[str] = (),
    allow_lambda: bool = False,
    input_shape: Shape | Mapping[str, Shape] | None = None,
) -> keras.Model:
    """Load a built Keras 3 model whose weights are all finite.

    Args:
        source: A `.keras` file, a legacy `.h5` file where Keras 3 can read it, or a
            model object, which is only checked.
        imports: Modules to import first, because they register custom layers.
        allow_lambda: Run the Python code that the file carries in Lambda layers.
            Only for files whose author you trust.
        input_shape: Fixed input shape without the batch size, for a model that was
            saved unbuilt or with flexible sizes; a mapping by input name if there are
            several inputs.

    Returns:
        The model, compiled if the file says how.

    Raises:
        ModelError: If the file is missing, broken, of another format or of Keras 2,
            holds code or unknown classes, or if the model is unbuilt or has weights
            that are not finite.  The message says what to do.

    Example:
        >>> load_model("no_such.keras")
        Traceback (most recent call last):
        tfcompress.errors.ModelError: There is no such model file. Received: \
no_such.keras. Check the path.
    """
    for name in imports:
        import_module(name)
    if isinstance(source, str | os.PathLike):
        model = _read(pathlib.Path(source), allow_lambda=allow_lambda)
    else:
        model = source
    if input_shape is not None and isinstance(model, keras.Model):
        model = with_input_shape(model, input_shape)
    check_model(model)
    return model


def with_input_shape(
    model: keras.Model, input_shape: Shape | Mapping[str, Shape]
) -> keras.Model:
    """Return the model with the given fixed input shape, the weights copied.

    An unbuilt model is built in place; a model that has the shape already is returned
    as it is.

    Raises:
        ModelError: If the model cannot take this shape.
    """
    try:
        if not model.built:
            model.build(_with_batch(input_shape))
            return model
        inputs = [_fixed_input(tensor, input_shape) for tensor in model.inputs]
        if all(
            tuple(old.shape) == tuple(new.shape)
            for old, new in zip(model.inputs, inputs, strict=True)
        ):
            return model
        copies = Copies()
        clone = keras.models.clone_model(
            model,
            input_tensors=inputs[0] if len(inputs) == 1 else inputs,
            clone_function=copies,
        )
        copies.take_weights()
    except (ValueError, TypeError, AttributeError) as error:
        raise errors.ModelError(
            f"The model cannot take this input shape. Received: input_shape="
            f"{input_shape} for {model.name!r} ({_first_line(error)}). Give the shape "
            "without the batch size, such as `--input-shape 224,224,3`."
        ) from error
    return _compiled_like(clone, model)


def _read(path: pathlib.Path, *, allow_lambda: bool) -> keras.Model:
    check_file(path)
    try:
        with warnings.catch_warnings():  # nobody here goes on with the old optimizer
            warnings.filterwarnings(
                "ignore", message="Skipping variable loading for op"
            )
            return keras.saving.load_model(path, safe_mode=not allow_lambda)
    except Exception as error:  # Keras raises many kinds for one broken file
        raise _explained(path, error) from error


def check_file(path: pathlib.Path) -> None:
    """Refuse what cannot be a model, by its first bytes and not by its name.

    Raises:
        ModelError: If it is none; what is behind the first bytes is not looked at.
    """
    if path.is_dir():
        raise errors.ModelError(
            f"This is a folder, not a model file. Received: {path}. Keras 3 does not "
            "load SavedModel folders; save the model with `model.save('model.keras')`, "
            f"or import one of Keras 2 with `tfcompress import {path} -o model.keras`."
        )
    if not path.exists():
        raise errors.ModelError(
            f"There is no such model file. Received: {path}. Check the path."
        )
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise errors.ModelError(
            f"The model file cannot be read. Received: {path} ({error.strerror}). "
            "Check its permissions."
        ) from error
    if head.startswith(_ZIP_MAGIC):
        _check_archive(path)
    elif head[4:] == _TFLITE_MAGIC:
        raise errors.ModelError(
            f"This is a .tflite file, not a Keras model. Received: {path}. Give the "
            "model that it was made of; weights cannot be read back from such a file."
        )
    elif head != _H5_MAGIC:
        raise errors.ModelError(
            f"This is not a Keras model file. Received: {path}, which starts with "
            f"{head!r}. Save the model with `model.save('model.keras')`."
        )
    elif path.suffix not in _H5_SUFFIXES:
        raise errors.ModelError(
            f"This is an HDF5 file under another name. Received: {path}. Rename it to "
            f"{path.with_suffix('.h5').name} to load it as a legacy Keras file."
        )


def _check_archive(path: pathlib.Path) -> None:
    if not zipfile.is_zipfile(path):
        raise errors.ModelError(
            f"The .keras file is truncated. Received: {path} with "
            f"{path.stat().st_size} bytes and no end. Copy or save it again."
        )
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    missing = {"config.json", "metadata.json"} - names
    if missing:
        raise errors.ModelError(
            f"This zip file is not a Keras model. Received: {path} without "
            f"{sorted(missing)[0]}. Save the model with `model.save('model.keras')`."
        )
    if path.suffix != ".keras":
        raise errors.ModelError(
            f"A Keras 3 archive must be named .keras. Received: {path}. Rename it."
        )


def _explained(path: pathlib.Path, error: Exception) -> errors.ModelError:
    """Translate what Keras said, which is often many lines of configuration."""
    text = _chain_text(error)
    if "safe_mode" in text or "enable_unsafe_deserialization" in text:
        return errors.ModelError(
            f"The file carries Python code in a Lambda layer, and safe mode does not "
            f"run it. Received: {path}. If you trust its author, opt in with "
            "`allow_lambda=True` or `--allow-lambda`."
        )
    if _is_keras_2(path):
        return errors.ModelError(
            f"This file was written by Keras 2 and Keras 3 cannot load it. Received: "
            f"{path} ({_first_line(error)}). {_MIGRATE.format(path=str(path))}"
        )
    unknown = _UNKNOWN_OBJECT.search(text)
    if unknown:
        return errors.ModelError(
            f"The file needs a custom object that is not imported. Received: {path} "
            f"with {unknown[1]!r}. Name the module that registers it: "
            "`imports=['package.layers']` or `--import package.layers`."
        )
    if path.suffix in _H5_SUFFIXES:
        return errors.ModelError(
            f"Keras 3 cannot load this legacy HDF5 file. Received: {path} "
            f"({_first_line(error)}). {_MIGRATE.format(path=str(path))}"
        )
    return errors.ModelError(
        f"The .keras file is damaged. Received: {path} ({_first_line(error)}). "
        "Copy or save it again."
    )


def _is_keras_2(path: pathlib.Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if b'"tf_keras.' in archive.read("config.json"):
            return True
        return b'"keras_version": "2.' in archive.read("metadata.json")


def import_module(name: str) -> None:
    """Import a module that registers custom objects, also from the current folder.

    Raises:
        ModelError: If it cannot be imported.
    """
    here = os.getcwd()
    if here not in sys.path:  # a console script does not look in the current folder
        sys.path.insert(0, here)
    try:
        importlib.import_module(name)
    except Exception as error:  # a module of the user's may raise anything
        raise errors.ModelError(
            f"A module cannot be imported. Received: import {name} "
            f"({type(error).__name__}: {error}). Run from the folder that holds it, or "
            "install its package."
        ) from error


def _fixed_input(tensor: Any, shape: Shape | Mapping[str, Shape]) -> Any:
    if isinstance(shape, Mapping):
        if tensor.name not in shape:
            names = ", ".join(repr(name) for name in shape)
            raise ValueError(f"input {tensor.name!r} has no shape among {names}")
        shape = shape[tensor.name]
    for old, new in zip(tensor.shape[1:], shape, strict=True):
        if old is not None and old != new:
            raise ValueError(f"input {tensor.name!r} is {tuple(tensor.shape[1:])}")
    return keras.Input(tuple(shape), name=tensor.name, dtype=tensor.dtype)


def _with_batch(shape: Shape | Mapping[str, Shape]) -> Any:
    if isinstance(shape, Mapping):
        return {name: (None, *one) for name, one in shape.items()}
    return (None, *shape)


def _compiled_like(clone: keras.Model, model: keras.Model) -> keras.Model:
    config = model.get_compile_config() if model.compiled else None
    if config:
        clone.compile_from_config(config)
    return clone


def _chain_text(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
