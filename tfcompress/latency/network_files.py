"""Write the file of a whole pruned network, with random weights, without a converter.

It runs the operators that the converted model would run, in the same order on the same
shapes, so it takes as long; what it computes means nothing.  Cutting and converting a
model takes seconds, this takes milliseconds, so a correction can be fitted to many.
"""

from __future__ import annotations

import numpy as np

from tfcompress import errors, graph
from tfcompress.graph.tracing import BoolArray
from tfcompress.latency import families
from tfcompress.latency.call_shapes import Width
from tfcompress.latency.file_building import FileBuilder
from tfcompress.latency.operator_files import precision_of, write
from tfcompress.latency.operators import Found, Operator


def write_network(
    layer_graph: graph.LayerGraph,
    found: Found,
    plan: graph.PruningPlan | None = None,
    *,
    recipe: str = "float32",
) -> bytes:
    """Return a file that runs as long as the model that a plan leaves.

    Args:
        layer_graph: The traced model.
        found: Its operators.
        plan: What is kept; None for the whole model.
        recipe: One of `operator_files.PRECISIONS`.

    Raises:
        BenchmarkError: If a layer of the model has no rule.
        ConfigError: If the recipe has no such operators.
    """
    if found.uncovered:
        raise errors.BenchmarkError(
            "This model has layers that no file can be written of. Received: "
            f"{', '.join(f'{k} ({v})' for k, v in found.uncovered.items())}. Cut and "
            "convert it instead."
        )
    kept = layer_graph.kept_atoms(plan)
    file = FileBuilder(precision_of(recipe))
    tensors: dict[int, int] = {}
    inputs = []
    for number in found.inputs:
        shape = (1, *(dim or 1 for dim in layer_graph.flat.tensors[number].shape[1:]))
        inputs.append(file.border(shape))
        tensors[number] = _quantized(file, inputs[-1], shape)
    for operator in found.operators:
        sources = [tensors[number] for number in operator.inputs]
        counts = (_count(operator.reads, kept), _made(operator, kept))
        tensors[operator.output] = write(file, operator.family, counts, sources)
    outputs = [_dequantized(file, tensors[number]) for number in found.outputs]
    return file.finish(inputs, outputs)


def _made(operator: Operator, kept: BoolArray) -> int:
    if operator.family.kind in families.TWO_COUNTS:
        return _count(operator.makes, kept)
    return _count(operator.reads, kept) * operator.family.multiplier


def _count(width: Width, kept: BoolArray) -> int:
    return width if isinstance(width, int) else int(np.count_nonzero(kept[width]))


def _quantized(file: FileBuilder, source: int, shape: tuple[int, ...]) -> int:
    if not file.is_int8:
        return source
    return file.operator("QUANTIZE", [source], file.activation(shape))


def _dequantized(file: FileBuilder, source: int) -> int:
    if not file.is_int8:
        return source
    return file.operator("DEQUANTIZE", [source], file.border(file.shape(source)))
