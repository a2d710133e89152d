"""Finish the parts of a trained file that stay in float.

Such a part is fenced by casts to a wider type and back, which kept the converter from
making integers of it (`tfcompress.quantize.float_borders`).  They are taken out, and
the operators in float that a user has asked for are found.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from tfcompress.tflite import schema
from tfcompress.tflite.low_bit_weights import edited

_FLOAT64, _COMPLEX64 = 10, 8  # in the enumeration TensorType of TFLite's schema
_WIDE = (_FLOAT64, _COMPLEX64)
_BORDERS = {("CAST", _FLOAT64): True, ("REAL", _COMPLEX64): False}
"""The operator back from a wide type, and whether its border was asked for."""


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
        fences = _Fences(model)
        fences.take_out()
        asked.extend(fences.asked())

    return edited(content, change), tuple(asked)


class _Fences:
    """The casts of a file, which lie between layers, never in loops.

    Args:
        model: The unpacked content of a file; changed in place.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._graph = model, model.subgraphs[0]
        self._makers = {i: one for one in self._graph.operators for i in one.outputs}
        self._sources = dict(self._find())
        self._asked: dict[int, bool] = {}  # by the ids of operators behind a border

    def _find(self) -> Iterator[tuple[int, tuple[int, bool]]]:
        """Yield what was cast there and back, with its source and whether asked for."""
        for back in self._graph.operators:
            there = self._makers.get(back.inputs[0]) if len(back.inputs) else None
            if there is None or self._name(there) != "CAST":
                continue
            kinds = self._name(back), self._type(there.outputs[0])
            if kinds in _BORDERS:
                yield back.outputs[0], (there.inputs[0], _BORDERS[kinds])

    def take_out(self) -> None:
        """Read, and return, what was cast instead of the casts."""
        graph = self._graph
        for reader in graph.operators:
            asked = [self._sources[t][1] for t in reader.inputs if t in self._sources]
            if asked:
                self._asked[id(reader)] = all(asked)
            reader.inputs = [self._source(tensor) for tensor in reader.inputs]
        inputs = set(graph.inputs)
        same = {t: self._source(t) for t in graph.outputs}
        same = {t: source for t, source in same.items() if source not in inputs}
        graph.outputs = [same.get(tensor, tensor) for tensor in graph.outputs]
        for signature in self._model.signatureDefs or ():
            for named in signature.outputs:
                named.tensorIndex = same.get(named.tensorIndex, named.tensorIndex)
        self._forget_unread(self._sources)
        self._forget_unread(
            {
                t
                for one in graph.operators
                for t in one.outputs
                if self._type(t) in _WIDE
            }
        )

    def _forget_unread(self, tensors: Container[int]) -> None:
        """Take operators out whose outputs are among `tensors` and nobody reads."""
        graph = self._graph
        read = {*graph.outputs, *(t for one in graph.operators for t in one.inputs)}
        graph.operators = [
            one
            for one in graph.operators
            if any(t in read or t not in tensors for t in one.outputs)
        ]

    def asked(self) -> list[int]:
        """Return the operators from the asked borders on, up to integers again.

        What makes the sparse weights of one of them dense computes in float like it.
        """
        reached = []
        tensors: set[int] = set()
        for index, operator in enumerate(self._graph.operators):
            goes_on = not tensors.isdisjoint(operator.inputs)
            wanted = self._asked.get(id(operator), goes_on)
            if wanted and self._name(operator) != "QUANTIZE":
                reached.append(index)
                tensors.update(operator.outputs)
        operators = self._graph.operators
        read = {tensor for index in reached for tensor in operators[index].inputs}
        dense = [
            index
            for index, operator in enumerate(operators)
            if self._name(operator) == "DENSIFY"
            and not read.isdisjoint(operator.outputs)
        ]
        return sorted({*reached, *dense})

    def _source(self, tensor: int) -> int:
        """Return what a tensor was before it was cast."""
        while tensor in self._sources:
            tensor, _ = self._sources[tensor]
        return tensor

    def _type(self, tensor: int) -> int:
        return int(self._graph.tensors[tensor].type)

    def _name(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        found: str = schema.operator_names()[code.builtinCode]
        return found
