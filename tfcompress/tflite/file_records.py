"""What a parsed .tflite file consists of: tensors, operators, subgraphs, signatures."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    Args:
        shape: With the batch size that the file was written for.
        dtype: NumPy's name of the type, or ``int4``, ``string``, ...
        scales: One per tensor, one per channel of `axis`, or none (not quantized).
        data: The bytes of a constant; None for what is computed.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    data: np.ndarray[Any, Any] | None
    dynamic: bool  # a size is only known when it runs
    sparse: bool
    variable: bool

    @property
    def num_items(self) -> int:
        """The number of items, for the shape in the file."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator: builtin name (or ``CUSTOM:name``) and its tensors' indices."""

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]  # -1: an optional input that is left out
    outputs: tuple[int, ...]
    flag: int  # first byte of the options: BATCH_MATMUL's adj_x


@dataclasses.dataclass(frozen=True)
class Subgraph:
    """Tensors and operators; the first subgraph is the model, others are bodies."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """Names of the inputs and outputs, each with its tensor's index."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    subgraph: int


@dataclasses.dataclass(frozen=True)
class ParsedModel:
    """Everything that the toolkit reads from a file."""

    description: str
    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...]
    metadata: dict[str, bytes]
