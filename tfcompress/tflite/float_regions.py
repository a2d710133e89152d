"""Finish the parts of a trained file that stay in float.

What such a part reads comes through casts to float64 and back, which kept the converter
from making integers of it (`tfcompress.quantize.float_borders`).  They are taken out,
and the operators in float that a user has asked for are found.
"""

from __future__ import annotations

from typing import Any

from tfcompress.quantize.float_borders import ASKED
from tfcompress.tflite import schema
from tfcompress.tflite.low_bit_weights import edited


def finish(content: bytes) -> tuple[bytes, tuple[int, ...]]:
    """Return a file without the casts, and which of its operators were asked for.

    Args:
        content: A file that was just converted (not an untrusted one).

    Returns:
        The file, and the indices of operators that compute in float because a user
        named their layers.
    """
    asked: list[int] = []

    def change(model: Any) -> None:
        graph = model.subgraphs[0]  # borders lie between layers, never in loops
        starts = _take_out_casts(model, graph)
        asked.extend(_reached(model, graph, starts))

    return edited(content, change), tuple(asked)


def _take_out_casts(model: Any, graph: Any) -> set[int]:
    """Read what was cast instead of the casts; return the readers that are asked for.

    Returns:
        Ids of operators.
    """
    from ai_edge_litert import schema_py_generated as generated

    wide = generated.TensorType.FLOAT64
    makers = {index: one for one in graph.operators for index in one.outputs}
    asked: set[int] = set()
    gone = []
    for back in graph.operators:
        there = makers.get(back.inputs[0]) if _is(model, back, "CAST") else None
        if (
            there is None
            or not _is(model, there, "CAST")
            or graph.tensors[there.outputs[0]].type != wide
            or back.outputs[0] in graph.outputs
        ):
            continue
        (cast,), source = back.outputs, there.inputs[0]
        wanted = ASKED in graph.tensors[cast].name.decode()
        for reader in graph.operators:
            if cast in reader.inputs:
                reader.inputs = [source if i == cast else i for i in reader.inputs]
                asked.update({id(reader)} if wanted else ())
        gone += [there, back]
    graph.operators = [
        one for one in graph.operators if not any(one is g for g in gone)
    ]
    return asked


def _reached(model: Any, graph: Any, starts: set[int]) -> list[int]:
    """Return the operators from some on, up to where numbers become integers."""
    reached = []
    tensors: set[int] = set()
    for index, operator in enumerate(graph.operators):
        read = tensors.intersection(operator.inputs)
        if (id(operator) in starts or read) and not _is(model, operator, "QUANTIZE"):
            reached.append(index)
            tensors.update(operator.outputs)
    return reached


def _is(model: Any, operator: Any, name: str) -> bool:
    code = model.operatorCodes[operator.opcodeIndex]
    found: str = schema.operator_names()[code.builtinCode]
    return found == name
