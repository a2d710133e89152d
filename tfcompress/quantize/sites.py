"""Decide where a model's activations are quantized, and which of them share a range.

1. A call is quantized if the converter has an integer form for it (`operators`), its
   recipe is not ``float32``, and, unless it has a kernel, at least one of its inputs
   comes from a quantized call or from the model's inputs.
2. A kernel, the BatchNorm or factor that alone reads it, and the ReLU that alone reads
   that, are one operator: the range lies after the last. Likewise an addition and its
   ReLU.
3. Every other output of a quantized call is a *site*: it gets a range. So does every
   tensor that a quantized call reads and a float call or the model's input makes.
4. A tensor whose scale TFLite ties to another's (pooling, concatenation, padding...)
   joins that one's range; it is rounded again only where its numbers are new
   (averages).
5. What reads a tensor in integers and what reads it in float see the same numbers,
   except at the model's inputs.

::

    conv - BN - ReLU -[a]- max pool --+
                                      concat - conv -[c]      a, b: two sources
    conv - BN - ReLU -[b]-------------+                       of one range
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tfcompress.graph.reading import Call, FlatModel
from tfcompress.quantize.affine_layers import is_one_factor
from tfcompress.quantize.operators import Operator, classify, left_in_float
from tfcompress.quantize.recipes import Recipe

_FOLLOWS = ("rectifier", "activation", "passing", "averaging", "arithmetic", "identity")
_TIES = ("passing", "averaging", "identity")
_POOLS = ("GlobalAveragePooling1D", "GlobalAveragePooling2D")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
    """A range and the tensors it is learned from.

    Attributes:
        sources: Tensors that set it, in the order of the graph.
        members: All tensors in its scale.
        fixed: Its ends by the bits of activations, if they are known.
    """

    sources: tuple[int, ...]
    members: tuple[int, ...]
    fixed: Mapping[int, tuple[float, float]] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sites:
    """The decisions for one model, by the indices of calls and tensors.

    Attributes:
        operators: For each call what it is to the converter; "float" if it stays one.
        folded: BatchNorm calls that fold, with the kernel's call.
        rectified: Tensors whose range begins at 0, with the ReLU's call.
        ranges: All ranges.
        range_of: For each tensor in integers its range.
        rounded: Tied tensors that are rounded again.
        entries: Sites that a float call or the model's input makes.
    """

    operators: tuple[Operator, ...]
    folded: Mapping[int, int]
    rectified: Mapping[int, int]
    ranges: tuple[Range, ...]
    range_of: Mapping[int, int]
    rounded: frozenset[int]
    entries: frozenset[int]


def find_sites(flat: FlatModel, recipes: Mapping[str, Recipe]) -> Sites:
    """Return the decisions for a model.

    Args:
        flat: The model.
        recipes: The recipe of each layer by its name.
    """
    return _Finder(flat, recipes).find()


class _Finder:
    """The state of one `find_sites`."""

    def __init__(self, flat: FlatModel, recipes: Mapping[str, Recipe]) -> None:
        self.flat, self.recipes = flat, recipes
        self.maker = {t: call for call in flat.calls for t in call.outputs}
        self.readers: dict[int, list[Call]] = {}
        for call in flat.calls:
            for tensor in call.inputs:
                self.readers.setdefault(tensor, []).append(call)
        self.outputs = set(flat.output_tensors())
        self.operators = self._operators()
        self.folded: dict[int, int] = {}
        self.rectified: dict[int, int] = {}
        self.inside: set[int] = set()  # tensors in the middle of a fused operator
        self.parent: dict[int, int] = {}  # of the union-find over tied tensors

    def find(self) -> Sites:
        self._fuse()
        entries, sources, rounded = self._sites()
        ranges = self._ranges(sources)
        members = {t: i for i, one in enumerate(ranges) for t in one.members}
        return Sites(
            operators=tuple(self.operators),
            folded=self.folded,
            rectified=self.rectified,
            ranges=tuple(ranges),
            range_of=members,
            rounded=frozenset(rounded),
            entries=frozenset(entries),
        )

    def _operators(self) -> list[Operator]:
        """Return what each call is: rule 1."""
        found: list[Operator] = []
        for call in self.flat.calls:
            found.append(self._operator(call, found))
        return found

    def _operator(self, call: Call, before: Sequence[Operator]) -> Operator:
        recipe = self.recipes[call.name]
        operator = classify(call, bits=recipe.activation_bits or 8)
        tensors = [self.flat.tensors[t] for t in (*call.inputs, *call.outputs)]
        if operator.kind == "float":
            return operator
        if any(not tensor.dtype.startswith(("float", "bfloat")) for tensor in tensors):
            return left_in_float("its tensors are no floats")
        if recipe.is_float:
            return left_in_float("it is to be left alone")
        makers = [self.maker.get(tensor) for tensor in call.inputs]
        if operator.kind in _FOLLOWS and not any(
            maker is None or before[maker.index].kind != "float" for maker in makers
        ):
            return left_in_float("what it reads is in float")
        if recipe.activation_bits == 8 and self._averages_fixed(call, before):
            return Operator(kind="averaging")
        return self._normalizes_float(call, operator, before)

    def _averages_fixed(self, call: Call, before: Sequence[Operator]) -> bool:
        """Return whether a call takes the mean of numbers whose range is known.

        The converter stores that, in 8 bits, in the scale of what is averaged.
        """
        return _is_mean(call.layer) and self._is_fixed(call.inputs[0], before)

    def _is_fixed(self, tensor: int, before: Sequence[Operator]) -> bool:
        """Return whether a tensor is in the known range of an activation."""
        maker = self.maker.get(tensor)
        if maker is None:
            return False
        operator = before[maker.index]
        if operator.kind in _TIES:
            return all(self._is_fixed(one, before) for one in maker.inputs)
        return operator.fixed is not None

    def _normalizes_float(
        self, call: Call, operator: Operator, before: Sequence[Operator]
    ) -> Operator:
        """Keep a BatchNorm with its layer in float."""
        maker = self.maker.get(call.inputs[0])
        if operator.kind != "normalization" or maker is None:
            return operator
        if before[maker.index].kind == "float" and maker.layer.variables:
            return left_in_float("the layer that it folds into is in float")
        return operator

    def _fuse(self) -> None:
        """Join kernels, BatchNorms and ReLUs: rule 2."""
        for call in self.flat.calls:
            operator = self.operators[call.index]
            reader = self._only_reader(call)
            if reader is None:
                continue
            kind = self.operators[reader.index].kind
            if operator.kind == "kernel" and not _is_linear(call.layer):
                continue
            if operator.kind == "kernel" and kind == "normalization":
                self.folded[reader.index] = call.index
            elif not (
                (operator.kind == "kernel" and _scales(reader, kind))
                or (operator.fuses_rectifier and kind == "rectifier")
            ):
                continue
            self.inside.add(call.outputs[0])

    def _only_reader(self, call: Call) -> Call | None:
        if len(call.outputs) != 1 or call.outputs[0] in self.outputs:
            return None
        readers = self.readers.get(call.outputs[0], [])
        return readers[0] if len(readers) == 1 else None

    def _sites(self) -> tuple[set[int], dict[int, Operator], set[int]]:
        """Return entries, sources with their operators, and what is rounded again."""
        entries: set[int] = set()
        sources: dict[int, Operator] = {}
        rounded: set[int] = set()
        for call in self.flat.calls:
            operator = self.operators[call.index]
            if operator.kind == "float":
                continue
            for tensor in call.inputs:
                maker = self.maker.get(tensor)
                if maker is None or self.operators[maker.index].kind == "float":
                    entries.add(tensor)
                    sources[tensor] = left_in_float("")
            if operator.kind in _TIES:
                self._tie((*call.inputs, *call.outputs))
                rounded.update(call.outputs if operator.kind == "averaging" else ())
                continue
            for tensor in call.outputs:
                if tensor not in self.inside:
                    sources[tensor] = operator
                    if operator.kind == "rectifier":
                        self.rectified[tensor] = call.index
        return entries, sources, rounded

    def _tie(self, tensors: Sequence[int]) -> None:
        first = self._root(tensors[0])
        for tensor in tensors[1:]:
            self.parent[self._root(tensor)] = first

    def _root(self, tensor: int) -> int:
        while (above := self.parent.get(tensor, tensor)) != tensor:
            tensor = above
        return tensor

    def _ranges(self, sources: Mapping[int, Operator]) -> list[Range]:
        groups: dict[int, list[int]] = {}
        for tensor in range(len(self.flat.tensors)):
            if tensor in sources or tensor in self.parent:
                groups.setdefault(self._root(tensor), []).append(tensor)
        for root, members in groups.items():
            if root not in members:
                members.append(root)
        ranges = []
        for members in groups.values():
            own = tuple(t for t in sorted(members) if t in sources)
            fixed = [sources[tensor].fixed for tensor in own]
            same = fixed[0] if fixed and all(f == fixed[0] for f in fixed) else None
            ranges.append(Range(sources=own, members=tuple(members), fixed=same))
        return ranges


def _is_mean(layer: object) -> bool:
    return type(layer).__name__ in ("Mean", *_POOLS)


def _scales(call: Call, kind: str) -> bool:
    return kind == "affine" and is_one_factor(call.layer)


def _is_linear(layer: object) -> bool:
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", "linear") == "linear"
