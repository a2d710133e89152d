"""What a model costs, whole or under a plan, without building anything.

Every weight contributes ``∏ kept(axis)`` parameters and ``positions · ∏ kept(axis)``
MACs (1 MAC = 2 FLOPs), where ``positions`` is the number of output positions at which
it is used. Those products are worked out once per graph as arrays, so the cost of one
plan is a handful of NumPy calls: searches ask for it thousands of times.

``size_bytes`` predicts the weight bytes of the TFLite file: BatchNorms that follow a
convolution fold into it, and every convolution or Dense layer stores one bias per
output channel. The file's own overhead (names, shapes) comes on top.
"""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.graph.atoms import IntArray
from tfcompress.graph.folding import NEW_BIAS
from tfcompress.graph.plans import PruningPlan
from tfcompress.graph.tracing import BoolArray, LayerGraph, as_graph


@dataclasses.dataclass(frozen=True, slots=True)
class RecipeBytes:
    """Bytes per weight of a recipe, and per output channel for bias and scales."""

    weight: float
    bias: float
    per_channel: float = 0.0


# TFLite's storage: int8 kernels carry a float32 scale and an int64 zero point per
# output channel and an int32 bias; int16x8 has int64 biases.
RECIPE_BYTES: Mapping[str, RecipeBytes] = {
    "float32": RecipeBytes(4, 4),
    "float16": RecipeBytes(2, 2),
    "dynamic_int8": RecipeBytes(1, 4, 12),
    "int8": RecipeBytes(1, 4, 12 + 12),  # the bias is quantized per channel too
    "int16x8": RecipeBytes(1, 8, 12 + 12),
}


@dataclasses.dataclass(frozen=True, slots=True)
class LayerCost:
    """Cost of one layer: multiply-accumulates, weights, predicted bytes."""

    macs: int
    params: int
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """Cost of a model.

    Attributes:
        macs: Multiply-accumulates of one example (1 MAC = 2 FLOPs).
        params: Number of weights, BatchNorm statistics included.
        size_bytes: Predicted weight bytes of the TFLite file at the recipe.
        unknown: Layers with weights whose MACs are not known and not counted.
    """

    macs: int
    params: int
    size_bytes: int
    unknown: tuple[str, ...]
    _names: tuple[str, ...]
    _per_layer: npt.NDArray[np.float64]

    @property
    def layers(self) -> dict[str, LayerCost]:
        """Return the cost of each layer that has weights."""
        return {
            name: LayerCost(*map(int, row))
            for name, row in zip(self._names, self._per_layer, strict=True)
        }

    def by_layer(self, name: str) -> dict[str, int]:
        """Return one cost of each layer that has weights: a column of `layers`, fast.

        Args:
            name: ``"macs"``, ``"params"`` or ``"size_bytes"``.
        """
        column = self._per_layer[:, LayerCost.__slots__.index(name)]
        return dict(zip(self._names, column.astype(np.int64).tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as plain JSON values."""
        return {
            "macs": self.macs,
            "params": self.params,
            "size_bytes": self.size_bytes,
            "unknown": list(self.unknown),
        }


def cost(
    model_or_graph: keras.Model | LayerGraph,
    plan: PruningPlan | None = None,
    *,
    recipe: str = "float32",
    fold_constants: bool = True,
) -> Cost:
    """Return the cost of a model, or of what a plan would leave of it.

    Args:
        model_or_graph: The model; pass its graph when asking more than once.
        plan: What would be kept; None for the whole model. It is not checked against
            the graph (`PruningPlan.validate` does that).
        recipe: The quantization recipe that `size_bytes` is predicted for.
        fold_constants: Count the biases that folding would add.

    Raises:
        ModelError: If the model's input has open dimensions: trace it with
            `input_shape` first.
        ValueError: If the recipe is unknown.

    Example:
        >>> x = keras.Input((4, 4, 3))
        >>> model = keras.Model(x, keras.layers.Conv2D(8, 3, padding="same")(x))
        >>> cost(model).macs, cost(model).params
        (3456, 224)
    """
    if recipe not in RECIPE_BYTES:
        raise ValueError(
            f"Unknown recipe. Received: recipe={recipe!r}; expected one of "
            f"{', '.join(RECIPE_BYTES)}."
        )
    graph = as_graph(model_or_graph)
    terms = _terms_of(graph)
    kept = graph.kept_atoms(plan)
    return terms.evaluate(kept, RECIPE_BYTES[recipe], fold_constants=fold_constants)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """The cost of a graph as arrays: one row per weight.

    A row counts ``factor · n[first] · n[second]`` numbers, where ``n`` holds the kept
    count of each distinct atom array and ``n[-1] = 1`` stands for "no such axis".
    """

    names: tuple[str, ...]
    unknown: tuple[str, ...]
    atoms: IntArray
    starts: IntArray
    layer: IntArray
    factor: npt.NDArray[np.float64]
    first: IntArray
    second: IntArray
    positions: npt.NDArray[np.float64]
    is_kernel: BoolArray
    is_stored: BoolArray
    bias_layer: IntArray  # layers that store a bias in the file, and its width
    bias_count: IntArray
    new_atoms: IntArray  # consumers that folding may give a bias
    new_starts: IntArray
    new_layer: IntArray
    new_count: IntArray

    def evaluate(
        self, kept: BoolArray, recipe: RecipeBytes, *, fold_constants: bool
    ) -> Cost:
        """Work the products out for one plan."""
        counts = np.ones(self.starts.size + 1, np.float64)
        if self.starts.size:
            counts[:-1] = np.add.reduceat(kept[self.atoms], self.starts, dtype=np.int64)
        numbers = self.factor * counts[self.first] * counts[self.second]
        size = len(self.names)
        params = np.bincount(self.layer, numbers, size)
        macs = np.bincount(self.layer, numbers * self.positions, size)
        each = np.where(self.is_kernel, recipe.weight, recipe.bias) * self.is_stored
        stored = np.bincount(self.layer, numbers * each, size)
        per_bias = recipe.bias + recipe.per_channel
        stored += np.bincount(self.bias_layer, counts[self.bias_count] * per_bias, size)
        if fold_constants and self.new_starts.size:
            gone = np.logical_or.reduceat(~kept[self.new_atoms], self.new_starts)
            params += np.bincount(self.new_layer, gone * counts[self.new_count], size)
        table = np.stack([macs, params, stored], axis=1).astype(np.float64)
        totals = table.sum(axis=0)
        return Cost(
            macs=int(totals[0]),
            params=int(totals[1]),
            size_bytes=int(totals[2]),
            unknown=self.unknown,
            _names=self.names,
            _per_layer=table,
        )


_CACHE: weakref.WeakKeyDictionary[LayerGraph, _Terms] = weakref.WeakKeyDictionary()


def _terms_of(graph: LayerGraph) -> _Terms:
    if graph not in _CACHE:
        _CACHE[graph] = _Builder(graph).build()
    return _CACHE[graph]


class _Builder:
    """Collects the rows of `_Terms` from a graph."""

    def __init__(self, graph: LayerGraph) -> None:
        self.graph = graph
        self.index: dict[bytes, int] = {}
        self.arrays: list[IntArray] = []
        self.rows: list[tuple[int, float, int, int, float, bool, bool]] = []
        self.biases: list[tuple[int, int]] = []
        self.names = tuple(
            name
            for name, layer in graph.layers.items()
            if getattr(layer, "variables", ())
        )
        self.number = {name: i for i, name in enumerate(self.names)}

    def build(self) -> _Terms:
        positions = self._positions()
        effects = dict(
            zip(
                (call.name for call in reversed(self.graph.flat.calls)),
                reversed(self.graph.effects),
                strict=True,
            )
        )
        folded = self._folded_norms()
        for name in self.names:
            self._add_layer(name, effects[name].weights, positions, folded)
        new = [t for t in self.graph.fold_targets.values() if t.into == NEW_BIAS]
        new_atoms = [t.atoms[t.value != 0] for t in new]
        taken = [(t, a) for t, a in zip(new, new_atoms, strict=True) if a.size]
        new_layer = np.array([self.number[t.layer] for t, _ in taken], np.int64)
        new_count = np.array([self._count(t.out) for t, _ in taken], np.int64)
        atoms, starts = _concatenate(self.arrays)
        new_flat, new_starts = _concatenate([a for _, a in taken])
        columns = list(zip(*self.rows, strict=True)) or [()] * 7
        none = len(self.arrays)
        first, second = (np.array(c, np.int64) for c in (columns[2], columns[3]))
        biases = np.array(self.biases, np.int64).reshape(-1, 2)
        return _Terms(
            names=self.names,
            unknown=tuple(name for name in self.graph.unknown if name in self.number),
            atoms=atoms,
            starts=starts,
            layer=np.array(columns[0], np.int64),
            factor=np.array(columns[1], np.float64),
            first=np.where(first < 0, none, first),
            second=np.where(second < 0, none, second),
            positions=np.array(columns[4], np.float64),
            is_kernel=np.array(columns[5], bool),
            is_stored=np.array(columns[6], bool),
            bias_layer=biases[:, 0],
            bias_count=biases[:, 1],
            new_atoms=new_flat,
            new_starts=new_starts,
            new_layer=new_layer,
            new_count=new_count,
        )

    def _positions(self) -> dict[tuple[str, str], int]:
        """Sum the positions over the calls of each layer."""
        found: dict[tuple[str, str], int] = {}
        for call, effect in zip(self.graph.flat.calls, self.graph.effects, strict=True):
            for variable, count in effect.positions.items():
                if count < 0:
                    raise errors.ModelError(
                        "The cost of a layer depends on open dimensions. Received: "
                        f"model {self.graph.name!r}, whose layer {call.name!r} has "
                        f"input shape {self.graph.flat.tensors[call.inputs[0]].shape}. "
                        "Fix the input with `tfcompress.trace(model, input_shape="
                        "(height, width, channels))` or `--input-shape`."
                    )
                key = (call.name, variable)
                found[key] = found.get(key, 0) + count
        return found

    def _folded_norms(self) -> set[str]:
        """Return the BatchNorms that the converter folds into the layer before."""
        makers = {
            tensor: call for call in self.graph.flat.calls for tensor in call.outputs
        }
        found = set()
        for call in self.graph.flat.calls:
            before = makers.get(call.inputs[0]) if call.inputs else None
            if (
                isinstance(call.layer, keras.layers.BatchNormalization)
                and before is not None
                and getattr(before.layer, "activation", None)
                is keras.activations.linear
                and self.graph.call_counts[call.name] == 1
                and len(self.graph.consumers_of[call.inputs[0]]) == 1
            ):
                found.add(call.name)
        return found

    def _add_layer(
        self,
        name: str,
        weights: Mapping[str, Any],
        positions: Mapping[tuple[str, str], int],
        folded: set[str],
    ) -> None:
        layer = self.graph.layers[name]
        multiplied = {key[1] for key in positions if key[0] == name}
        for variable in layer.variables:
            spec = weights.get(variable.name, (None,) * len(variable.shape))
            axes = [axis for axis in spec if axis is not None]
            whole = [
                int(dim)
                for dim, axis in zip(variable.shape, spec, strict=True)
                if axis is None
            ]
            at = [self._count(axis.atoms) for axis in axes]
            if "seed" in variable.name:
                continue
            is_kernel = variable.name in multiplied
            is_bias = variable.name == "bias" and bool(multiplied)
            self.rows.append(
                (
                    self.number[name],
                    float(math.prod(whole)),
                    at[0] if at else -1,
                    at[1] if len(at) > 1 else -1,
                    float(positions.get((name, variable.name), 0)),
                    is_kernel,
                    not is_bias and name not in folded,
                )
            )
        if multiplied:
            self._add_bias(name)

    def _add_bias(self, name: str) -> None:
        """Count the bias that the file stores per output channel of each kernel."""
        call = next(call for call in self.graph.flat.calls if call.name == name)
        out = self.graph.channels[call.outputs[0]]
        if out is not None:
            self.biases.append((self.number[name], self._count(out.atoms)))

    def _count(self, atoms: IntArray) -> int:
        key = atoms.tobytes()
        if key not in self.index:
            self.index[key] = len(self.arrays)
            self.arrays.append(atoms)
        return self.index[key]


def _concatenate(arrays: list[IntArray]) -> tuple[IntArray, IntArray]:
    if not arrays:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.cumsum([0, *[array.size for array in arrays[:-1]]])
    return np.concatenate(arrays), starts
