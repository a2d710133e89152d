"""The toolkit's note inside a .tflite file: recipe, versions, labels, preprocessing.

A .tflite file may carry named blobs ("metadata" of the schema) that runtimes skip.
Ours is called ``tfcompress`` and holds one JSON object, so that a file found alone
still says how it was made and how to feed it.

Writing it also gives inputs and outputs the Keras model's names and order: the
converter sorts them by name and calls them ``serving_default_image:0`` or
``StatefulPartitionedCall:1``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfcompress.tflite import schema

ENTRY = "tfcompress"


def decode(entries: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the toolkit's note, or ``{}`` if there is none that can be read."""
    try:
        note = json.loads(entries.get(ENTRY, b"{}").decode("utf-8"))
    except (UnicodeDecodeError, ValueError):
        return {}  # another tool's entry of the same name, or a damaged one
    return note if isinstance(note, dict) else {}


def embed(
    content: bytes,
    note: Mapping[str, Any],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> bytes:
    """Return the file with `note` inside and its tensors renamed and ordered.

    Args:
        content: A file that was just converted (not an untrusted one).
        note: Plain JSON values.
        inputs: The signature's input names in the order that the file shall have.
        outputs: The same for the outputs.

    Raises:
        TypeError: If `note` holds something that JSON cannot.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as generated

    blob = json.dumps(note, sort_keys=True, allow_nan=False).encode("utf-8")
    model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(content, 0))
    if model.signatureDefs and (inputs or outputs):
        _rename(model, inputs=inputs, outputs=outputs)
    buffer = generated.BufferT()
    buffer.data = np.frombuffer(blob, np.uint8)
    model.buffers.append(buffer)
    entry = generated.MetadataT()
    entry.name, entry.buffer = ENTRY, len(model.buffers) - 1
    kept = [m for m in model.metadata or [] if _text(m.name) != ENTRY]
    model.metadata = [*kept, entry]
    builder = flatbuffers.Builder(len(content) + len(blob) + 1024)
    builder.Finish(model.Pack(builder), file_identifier=schema.IDENTIFIER)
    return bytes(builder.Output())


def _rename(model: Any, *, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Order the subgraph's inputs and outputs by name and call the tensors so."""
    signature = model.signatureDefs[0]
    graph = model.subgraphs[signature.subgraphIndex]
    if inputs:
        graph.inputs = _renamed(graph, signature.inputs, inputs)
    if outputs:
        graph.outputs = _renamed(graph, signature.outputs, outputs)


def _renamed(graph: Any, maps: Any, names: Sequence[str]) -> Any:
    """Call tensors by a signature's names; return their indices in that order."""
    found = {_text(item.name): item.tensorIndex for item in maps}
    for name in names:
        graph.tensors[found[name]].name = name
    return np.array([found[name] for name in names], np.int32)


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
