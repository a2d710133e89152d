"""How sparse a model is, layer by layer, and what is not pruned and why."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from tfcompress.sparsity import schedules, selection
from tfcompress.sparsity.pruned_model import attach, find_state
from tfcompress.sparsity.selection import Kernel


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelSparsity:
    """The zeros of one kernel.

    Attributes:
        layer: Name of its layer.
        variable: Its short name.
        size: Number of weights.
        zeros: How many of them are zero.
        goal: The fraction of zeros at the end of the schedule, if that is known.
    """

    layer: str
    variable: str
    size: int
    zeros: int
    goal: float | None = None

    @property
    def sparsity(self) -> float:
        """The fraction of zeros."""
        return self.zeros / self.size


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsityReport:
    """What is pruned, how far it is, and what is left out.

    Attributes:
        kernels: What is pruned; of a plain model all kernels.
        skipped: For each layer with weights that is not pruned, the reason.
        pattern: Which weights go; "" for a plain model.
        step: Training steps done under the schedule.
        last_step: Step of the last masks, if it is known.
    """

    kernels: tuple[KernelSparsity, ...]
    skipped: dict[str, str]
    pattern: str = ""
    step: int = 0
    last_step: int | None = None

    @property
    def sparsity(self) -> float:
        """The fraction of zeros among all weights of `kernels`."""
        size = sum(kernel.size for kernel in self.kernels)
        return sum(kernel.zeros for kernel in self.kernels) / size if size else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **dataclasses.asdict(self),
            "sparsity": self.sparsity,
            "kernels": [
                {**dataclasses.asdict(kernel), "sparsity": kernel.sparsity}
                for kernel in self.kernels
            ],
        }

    def __str__(self) -> str:
        """Return a line for each kernel, then for each layer that is left out."""
        lines = [
            f"{kernel.layer}/{kernel.variable}: {kernel.zeros:,} of {kernel.size:,} "
            f"zero ({kernel.sparsity:.1%})"
            for kernel in self.kernels
        ]
        lines += [f"{name}: not pruned, {why}" for name, why in self.skipped.items()]
        return "\n".join([*lines, f"together: {self.sparsity:.1%} zero"])


def report(model: keras.Model) -> SparsityReport:
    """Count the zeros of a model, pruned or plain.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(
        ...     1, use_bias=False, name="d")])
        >>> model.layers[0].kernel.assign([[0.0], [1.0]])
        <...>
        >>> print(report(model))
        d/kernel: 1 of 2 zero (50.0%)
        together: 50.0% zero
    """
    state = find_state(model)
    layers = selection.named_layers(model)
    if state is None:
        plain = [
            k for n, layer in layers.items() for k in selection.kernels_of(n, layer)
        ]
        return SparsityReport(
            kernels=tuple(_counted(kernel, layers, None) for kernel in plain),
            skipped={},
        )
    attach(model)
    whole = schedules.final_sparsity(state.schedule)
    return SparsityReport(
        kernels=tuple(
            _counted(kernel, layers, kernel.sparsity or whole)
            for kernel in state.kernels
        ),
        skipped=dict(state.skipped),
        pattern=str(state.pattern),
        step=int(state.step.numpy()),
        last_step=schedules.last_step(state.schedule),
    )


def _counted(kernel: Kernel, layers: Any, goal: float | None) -> KernelSparsity:
    value = selection.variable_of(layers[kernel.layer], kernel).numpy()
    return KernelSparsity(
        layer=kernel.layer,
        variable=kernel.variable,
        size=int(value.size),
        zeros=int(value.size - np.count_nonzero(value)),
        goal=goal,
    )
