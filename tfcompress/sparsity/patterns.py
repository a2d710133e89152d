"""Which weights of a kernel become zero at a given sparsity.

All patterns remove what is smallest and, of equals, what comes first:

1. ``unstructured``: single weights by |w|.
2. ``block``, such as ``1x4``: blocks of *rows x columns* of the kernel as a matrix
   [inputs, outputs] (one for each position of a window), by their mean |w|. ``4x1`` is
   four consecutive inputs of one output. Blocks at the border may be smaller.
3. ``n:m``, such as ``2:4``: of every m consecutive weights along the inputs the n
   largest |w| stay, so that the sparsity is 1 - n/m in the end. Before that a schedule
   anneals the share of groups, those that lose the least first.

Source: M. Zhu and S. Gupta, "To prune, or not to prune", 2017 (1); S. Narang et al.,
"Block-sparse recurrent neural networks", 2017 (2, with the mean for the maximum);
A. Mishra et al., "Accelerating sparse deep neural networks", 2021 (3).
"""

from __future__ import annotations

import abc
import dataclasses
import re
from typing import Any

from keras import ops

from tfcompress import errors

DEFAULT_BLOCK = "1x4"


class Pattern(abc.ABC):
    """Decides which weights stay."""

    @abc.abstractmethod
    def keep_mask(self, kernel: Any, sparsity: Any) -> Any:
        """Return a boolean tensor of the kernel's shape, true where a weight stays.

        Args:
            kernel: Weights ``[positions, inputs, outputs]``.
            sparsity: Fraction of zeros wanted, a float64 scalar tensor or number. At
                least one weight (block) stays.
        """

    @abc.abstractmethod
    def __str__(self) -> str:
        """Return the pattern as `parse` reads it."""


@dataclasses.dataclass(frozen=True)
class Unstructured(Pattern):
    """Single weights.

    Example:
        >>> kernel = ops.array([[[0.5, -0.1], [0.2, 3.0]]])
        >>> ops.convert_to_numpy(Unstructured().keep_mask(kernel, 0.5)).tolist()
        [[[True, False], [False, True]]]
    """

    def keep_mask(self, kernel: Any, sparsity: Any) -> Any:
        """Return which weights stay."""
        return _largest(ops.abs(kernel), sparsity)

    def __str__(self) -> str:
        """Return the name."""
        return "unstructured"


@dataclasses.dataclass(frozen=True)
class Block(Pattern):
    """Blocks of `rows` inputs times `columns` outputs.

    Example:
        >>> kernel = ops.array([[[0.5, -0.1, 0.2, 0.3]]])
        >>> ops.convert_to_numpy(Block(1, 2).keep_mask(kernel, 0.5)).tolist()
        [[[True, True, False, False]]]
    """

    rows: int
    columns: int

    def keep_mask(self, kernel: Any, sparsity: Any) -> Any:
        """Return which weights stay."""
        _, inputs, outputs = kernel.shape
        total = self._sums(ops.abs(kernel))
        count = self._sums(ops.ones_like(kernel))
        keep = _largest(total / count, sparsity)
        wide = ops.repeat(ops.repeat(keep, self.rows, axis=1), self.columns, axis=2)
        return wide[:, :inputs, :outputs]

    def _sums(self, values: Any) -> Any:
        """Add up each block; what lies beyond the border counts as zero."""
        positions, inputs, outputs = values.shape
        down, across = -inputs % self.rows, -outputs % self.columns
        padded = ops.pad(values, [(0, 0), (0, down), (0, across)])
        high, wide = (inputs + down) // self.rows, (outputs + across) // self.columns
        shape = (positions, high, self.rows, wide, self.columns)
        return ops.sum(ops.reshape(padded, shape), axis=(2, 4))

    def __str__(self) -> str:
        """Return the shape."""
        return f"{self.rows}x{self.columns}"


@dataclasses.dataclass(frozen=True)
class NOfM(Pattern):
    """At most `n` of `m` consecutive inputs.

    Example:
        >>> kernel = ops.reshape(ops.array([0.5, -0.1, 0.2, 0.3]), (1, 4, 1))
        >>> ops.convert_to_numpy(NOfM(2, 4).keep_mask(kernel, 0.5)).ravel().tolist()
        [True, False, False, True]
    """

    n: int
    m: int

    @property
    def sparsity(self) -> float:
        """The fraction of zeros when all groups have the pattern."""
        return 1 - self.n / self.m

    def keep_mask(self, kernel: Any, sparsity: Any) -> Any:
        """Return which weights stay; `sparsity` decides how many groups lose any."""
        positions, inputs, outputs = kernel.shape
        extra = -inputs % self.m
        padded = ops.pad(ops.abs(kernel), [(0, 0), (0, extra), (0, 0)])
        shape = (positions, (inputs + extra) // self.m, self.m, outputs)
        groups = ops.reshape(padded, shape)
        ranks = ops.argsort(ops.argsort(groups, axis=2), axis=2)
        largest = ranks >= self.m - self.n
        lost = ops.sum(ops.where(largest, ops.zeros_like(groups), groups), axis=2)
        whole = _largest(
            lost, ops.convert_to_tensor(sparsity, "float64") / self.sparsity, least=0
        )
        keep = ops.logical_or(largest, ops.expand_dims(whole, 2))
        return ops.reshape(keep, (positions, inputs + extra, outputs))[:, :inputs]

    def __str__(self) -> str:
        """Return the numbers."""
        return f"{self.n}:{self.m}"


def parse(text: str) -> Pattern:
    """Return the pattern that a text names.

    Raises:
        ConfigError: If it is not ``unstructured``, ``block``, a block shape such as
            ``4x1``, or n of m such as ``2:4`` with n below m.

    Example:
        >>> str(parse("block")), parse("2:4").sparsity
        ('1x4', 0.5)
    """
    text = DEFAULT_BLOCK if text == "block" else str(text)
    if text == "unstructured":
        return Unstructured()
    found = re.fullmatch(r"(\d+)([x:])(\d+)", text)
    if found:
        first, second = int(found[1]), int(found[3])
        if found[2] == "x" and first >= 1 and second >= 1:
            return Block(first, second)
        if found[2] == ":" and 1 <= first < second:
            return NOfM(first, second)
    raise errors.ConfigError(
        f"There is no such pattern. Received: pattern={text!r}; it must be "
        "'unstructured', a block of inputs x outputs such as '1x4' or '4x1', or n of m "
        "inputs that stay, such as '2:4'."
    )


def _largest(scores: Any, sparsity: Any, *, least: int = 1) -> Any:
    """Return where the largest scores are, an exact number of them.

    ``round(size * (1 - sparsity))`` stay, at least `least`; of equal scores those that
    come later.
    """
    flat = ops.reshape(scores, (-1,))
    size = flat.shape[0]
    wanted = ops.round(size * (1.0 - ops.convert_to_tensor(sparsity, "float64")))
    kept = ops.clip(ops.cast(wanted, "int32"), min(least, size), size)
    removed = size - kept
    bound = ops.take(ops.sort(flat), ops.maximum(removed - 1, 0))
    below = flat < bound
    equal = ops.equal(flat, bound)
    open_places = removed - ops.sum(ops.cast(below, "int32"))
    first = ops.cumsum(ops.cast(equal, "int32")) <= open_places
    gone = ops.logical_or(below, ops.logical_and(equal, first))
    return ops.reshape(ops.logical_not(gone), scores.shape)
