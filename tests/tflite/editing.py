"""Break a good file on purpose: parse it with the official schema, change, pack."""

from __future__ import annotations

import flatbuffers
from ai_edge_litert import schema_py_generated as generated


def edited(content: bytes, change) -> bytes:
    model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(content, 0))
    change(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def set_value(path: str, value):
    """Return a change that sets ``subgraphs[0].<path>``, as in ``tensors[1].type``."""

    def change(model):
        scope = {"graph": model.subgraphs[0], "value": value}
        exec(f"graph.{path} = value", scope)

    return change
