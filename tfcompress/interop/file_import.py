"""Turn a Keras 2 file into a Keras 3 file, and measure that both answer alike."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import errors, files, graph
from tfcompress.interop import importing, keras2, legacy_files, wrappers

PathLike = str | os.PathLike[str]

FLEXIBLE = 32  # stands for a size that the model leaves open, when both are compared
MAX_RELATIVE_ERROR = 1e-4  # far above float32 rounding, far below any other mistake


def import_file(
    source: PathLike,
    output: PathLike,
    *,
    architecture: PathLike | None = None,
    imports: Sequence[str] = (),
    allow_lambda: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Write the Keras 3 model of a Keras 2 file, and its record beside it.

    Args:
        source: A ``.h5`` or Keras 2 ``.keras`` file or SavedModel folder.
        output: The ``.keras`` file to write; its record is the ``.json`` beside it.
        architecture: A ``.keras`` file of Keras 3 with the network, for a source that
            holds weights only.
        imports: Modules to import first; every Keras 3 class that they register stands
            for the Keras 2 class of the same name.
        allow_lambda: Run the Python code in the file's Lambda layers.
        force: Overwrite output that exists.

    Returns:
        The record: what was read and written, wrappers that were taken off, and the
        largest difference of both models' outputs on random inputs, relative to the
        largest output (None where there is nothing to compare).

    Raises:
        OutputError: If an output exists, is not named ``.keras``, or is what is read.
        ModelError: As in `from_keras2`; or if the two models answer differently.
    """
    output = pathlib.Path(output)
    record_path = output.with_suffix(".json")
    if output.suffix != ".keras":
        raise errors.OutputError(
            f"`import` writes a .keras file. Received: -o {output}. Name it "
            f"{output.with_suffix('.keras').name}."
        )
    for path in (output, record_path):
        files.refuse_same(
            path, [source] if architecture is None else [source, architecture]
        )
        files.refuse_existing(path, force=force)
    known = registered(imports)
    record: dict[str, Any] = {"kind": "import", "source": str(source)}
    if architecture is None:
        old = legacy_files.load(source, known, allow_lambda=allow_lambda)
        new = importing.import_model(old, known)
        record |= {"wrappers": _wrappers(old), "relative_error": _compared(old, new)}
    else:
        network = graph.load_model(architecture, allow_lambda=allow_lambda)
        new = keras2.from_keras2(source, architecture=network, custom_objects=known)
        record |= {"wrappers": {}, "relative_error": None}
    with files.replacing(output) as temporary:
        new.save(temporary)
    record |= {
        "output": str(output),
        "name": new.name,
        "layers": len(new.layers),
        "params": int(new.count_params()),
        "file_bytes": output.stat().st_size,
    }
    files.write_json(record_path, record)
    return record


def registered(imports: Sequence[str]) -> dict[str, Any]:
    """Import modules and return the Keras 3 objects they register, by class name.

    Example:
        >>> registered([])
        {}
    """
    before = set(keras.saving.get_custom_objects())
    for name in imports:
        graph.import_module(name)
    known = keras.saving.get_custom_objects()
    fresh = set(known) - before if imports else set()
    chosen = fresh | {key for key in known if _module(known[key]) in imports}
    return {key.rsplit(">", 1)[-1]: known[key] for key in sorted(chosen)}


def _module(item: Any) -> str:
    return str(getattr(item, "__module__", ""))


def _wrappers(model: Any) -> dict[str, int]:
    kinds = Counter(type(layer).__name__ for layer in model.layers)
    return {kind: count for kind, count in kinds.items() if kind in wrappers.ALL}


def _compared(old: Any, new: keras.Model) -> float | None:
    """Return the relative difference on random inputs, refusing a large one."""
    if any(kind.startswith("Quantize") for kind in _wrappers(old)):
        return None  # the Keras 2 model fake-quantizes, the imported one does not
    inputs = [_random(tensor) for tensor in old.inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    try:
        wanted = _arrays(old(given, training=False))
    except Exception:
        return None
    error = _relative_error(_arrays(new(given, training=False)), wanted)
    if error > MAX_RELATIVE_ERROR:
        raise errors.ModelError(
            "The imported model answers differently. Received: a relative difference "
            f"of {error:.1e} on random inputs; at most {MAX_RELATIVE_ERROR:.0e} is "
            "rounding. Check the custom layers' Keras 3 classes against the originals."
        )
    return error


def _random(tensor: Any) -> Any:
    shape = [2, *(size or FLEXIBLE for size in tensor.shape[1:])]
    rng = np.random.default_rng(0)
    if tensor.dtype.is_floating:
        return rng.normal(size=shape).astype(tensor.dtype.as_numpy_dtype)
    return rng.integers(0, 2, shape).astype(tensor.dtype.as_numpy_dtype)


def _arrays(outputs: Any) -> list[Any]:
    return [np.asarray(tensor, np.float64) for tensor in keras.tree.flatten(outputs)]


def _relative_error(got: Sequence[Any], wanted: Sequence[Any]) -> float:
    """Return the largest difference relative to the largest value.

    Example:
        >>> _relative_error([np.array([1.0, 3.0])], [np.array([1.0, 4.0])])
        0.25
    """
    return max(
        float(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-12))
        for a, b in zip(got, wanted, strict=True)
    )
