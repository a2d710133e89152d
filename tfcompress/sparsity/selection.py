"""Which kernels are pruned, and why the others are not.

By default (`find_kernels` without names):

1. Kernels are variables called ``kernel``, ``pointwise_kernel`` or ``recurrent_kernel``
   of two or more axes, also those inside of wrappers, cells and attention.
2. Left out are the first layers (nothing with a kernel comes before them) and the last
   ones (nothing with a kernel after them): few weights, on which much depends.
3. Left out are depthwise kernels: few weights, each the only one of its kind.
4. Left out are frozen layers: a schedule cannot repair what it takes from them.

Layers that are named are taken whatever 2 and 3 say; a layer of your own without a
kernel of such a name gives all of its trainable weights of two or more axes.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.graph.reading import FlatModel, read_model
from tfcompress.sparsity.layouts import is_depthwise
from tfcompress.sparsity.schedules import check_sparsity

KERNELS = ("kernel", "pointwise_kernel", "recurrent_kernel")
FROZEN = "it is frozen"
FIRST = "it is a first layer"
LAST = "it is a last layer"
DEPTHWISE = "its kernel is depthwise"
WITHOUT = "it has weights but no kernel that is known"

Layers = Sequence[str] | Mapping[str, float] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kernel:
    """One variable that is pruned.

    Attributes:
        layer: Name of its layer, unique in the flattened model.
        index: Its place among the layer's weights.
        variable: Its short name, with the sublayer's before it if there is one.
        shape: Its shape.
        sparsity: The fraction of zeros at the end, if the layer has its own.
    """

    layer: str
    index: int
    variable: str
    shape: tuple[int, ...]
    sparsity: float | None = None

    @property
    def size(self) -> int:
        """The number of weights."""
        return int(np.prod(self.shape))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**dataclasses.asdict(self), "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Kernel:
        """Return what `to_dict` has described."""
        return cls(**{**values, "shape": tuple(values["shape"])})


def named_layers(model: keras.Model) -> dict[str, Any]:
    """Return the layers that are called in a model, nested ones inlined, by name."""
    calls = read_model(model).calls
    return {c.name: c.layer for c in calls if isinstance(c.layer, keras.Layer)}


def variable_of(layer: Any, kernel: Kernel) -> Any:
    """Return the variable of a layer that `kernel` describes, or None."""
    weights = layer.weights
    if kernel.index >= len(weights):
        return None
    variable = weights[kernel.index]
    return variable if tuple(variable.shape) == kernel.shape else None


def find_kernels(
    model: keras.Model, layers: Layers = None
) -> tuple[tuple[Kernel, ...], dict[str, str]]:
    """Return the kernels to prune, and a reason for each layer that is left out.

    Args:
        model: A built functional or Sequential model.
        layers: Names of the layers to prune, or their final sparsities; by default
            see the module.

    Raises:
        ConfigError: If a name is unknown or a sparsity outside [0, 1).
        ModelError: If there is nothing to prune, or a named layer is frozen.
    """
    flat = read_model(model)
    found = {c.name: c.layer for c in flat.calls if isinstance(c.layer, keras.Layer)}
    trainable = {id(variable) for variable in model.trainable_variables}
    if layers is not None:
        wanted = _wanted(layers, found)
        kernels = _named(found, wanted, trainable, model)
        skipped = {
            name: "it was not named"
            for name, layer in found.items()
            if name not in wanted and _has_matrix(layer)
        }
    else:
        kernels, skipped = _by_default(flat, found, trainable)
    if not kernels:
        raise _nothing(model, skipped)
    return kernels, skipped


def kernels_of(name: str, layer: Any, sparsity: float | None = None) -> list[Kernel]:
    """Return all kernels of one layer by their names, depthwise ones too."""
    return [
        _kernel(name, layer, index, variable, sparsity)
        for index, variable in enumerate(layer.weights)
        if variable.name in (*KERNELS, "depthwise_kernel") and len(variable.shape) > 1
    ]


def is_depthwise_kernel(layer: Any, kernel: Kernel) -> bool:
    """Return whether a kernel, perhaps of a layer inside of `layer`, is depthwise."""
    owner = _owner(layer, layer.weights[kernel.index])
    return is_depthwise(owner, kernel.variable)


def _by_default(
    flat: FlatModel, found: Mapping[str, Any], trainable: set[int]
) -> tuple[tuple[Kernel, ...], dict[str, str]]:
    ends = _ends(flat, {n for n, layer in found.items() if kernels_of(n, layer)})
    kernels: list[Kernel] = []
    skipped: dict[str, str] = {}
    for name, layer in found.items():
        own = kernels_of(name, layer)
        dense = [k for k in own if not is_depthwise_kernel(layer, k)]
        free = [k for k in dense if id(layer.weights[k.index]) in trainable]
        if not own:
            if _has_matrix(layer):
                skipped[name] = WITHOUT
        elif name in ends:
            skipped[name] = ends[name]
        elif not dense:
            skipped[name] = DEPTHWISE
        elif not free:
            skipped[name] = FROZEN
        kernels += [] if name in skipped else free
    return tuple(kernels), skipped


def _ends(flat: FlatModel, with_kernels: set[str]) -> dict[str, str]:
    """Return the first and the last layers that have kernels, and which they are."""
    behind: dict[int, bool] = {}  # tensor -> a kernel lies between an input and it
    first: set[str] = set()
    for call in flat.calls:
        passed = any(behind.get(tensor, False) for tensor in call.inputs)
        owns = call.name in with_kernels
        if owns and not passed:
            first.add(call.name)
        behind.update(dict.fromkeys(call.outputs, passed or owns))
    ahead: dict[int, bool] = {}  # tensor -> a kernel lies between it and an output
    last: set[str] = set()
    for call in reversed(flat.calls):
        passed = any(ahead.get(tensor, False) for tensor in call.outputs)
        owns = call.name in with_kernels
        if owns and not passed:
            last.add(call.name)
        for tensor in call.inputs:
            ahead[tensor] = ahead.get(tensor, False) or passed or owns
    return {**dict.fromkeys(last, LAST), **dict.fromkeys(first, FIRST)}


def _wanted(layers: Any, found: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the final sparsity of each named layer, None for the schedule's.

    A layer that gets no zeros is as good as not named.
    """
    wanted = (
        dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, None)
    )
    for name, sparsity in wanted.items():
        if name not in found:
            near = difflib.get_close_matches(str(name), list(found), n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            names = ", ".join(n for n, layer in found.items() if _has_matrix(layer))
            raise errors.ConfigError(
                f"The model has no such layer. Received: layers with {name!r}; those "
                f"with kernels are {names or 'none'}.{hint}"
            )
        if sparsity is not None:
            check_sparsity(f"layers[{name!r}]", sparsity)
    return {name: value for name, value in wanted.items() if value != 0}


def _named(
    found: Mapping[str, Any],
    wanted: Mapping[str, float | None],
    trainable: set[int],
    model: keras.Model,
) -> tuple[Kernel, ...]:
    kernels: list[Kernel] = []
    for name, sparsity in wanted.items():
        own = kernels_of(name, found[name], sparsity) or _matrices(
            name, found[name], sparsity
        )
        if not own:
            raise errors.ConfigError(
                f"A layer has no weights to prune. Received: layers with {name!r}, a "
                f"{type(found[name]).__name__}. Leave it out."
            )
        frozen = [k for k in own if id(found[name].weights[k.index]) not in trainable]
        if frozen:
            raise errors.ModelError(
                "A frozen layer cannot be pruned: nothing would make up for the "
                f"zeros. Received: layers with {name!r}, which is frozen in "
                f"{model.name!r}. Set `trainable = True` on it, or leave it out."
            )
        kernels += own
    return tuple(kernels)


def _matrices(name: str, layer: Any, sparsity: float | None) -> list[Kernel]:
    return [
        _kernel(name, layer, index, variable, sparsity)
        for index, variable in enumerate(layer.weights)
        if variable.trainable and len(variable.shape) > 1
    ]


def _has_matrix(layer: Any) -> bool:
    return any(v.trainable and len(v.shape) > 1 for v in layer.weights)


def _kernel(
    name: str, layer: Any, index: int, variable: Any, sparsity: float | None
) -> Kernel:
    owner = _owner(layer, variable)
    inside = "" if owner is layer else f"{owner.name}/"
    return Kernel(
        layer=name,
        index=index,
        variable=inside + variable.name,
        shape=tuple(variable.shape),
        sparsity=None if sparsity is None else float(sparsity),
    )


def _owner(layer: Any, variable: Any) -> Any:
    """Return the layer inside of `layer` that made a variable."""
    owner = layer
    for inner in layer._flatten_layers():  # noqa: SLF001 - no public walk over sublayers
        if any(own is variable for own in inner.weights):
            owner = inner  # the walk goes from the outside to the inside
    return owner


def owner_of(layer: Any, kernel: Kernel) -> Any:
    """Return the layer, perhaps inside of `layer`, that a kernel belongs to."""
    return _owner(layer, layer.weights[kernel.index])


def _nothing(model: keras.Model, skipped: Mapping[str, str]) -> errors.ModelError:
    reasons = _listed(f"{name} ({reason})" for name, reason in skipped.items())
    return errors.ModelError(
        f"There is nothing to prune. Received: model {model.name!r}; left out: "
        f"{reasons or 'no layer has a kernel'}. Name layers to prune them all the "
        "same: `layers=[...]`."
    )


def _listed(parts: Iterable[str], most: int = 6) -> str:
    found = list(parts)
    return ", ".join(found[:most]) + (", ..." if len(found) > most else "")
