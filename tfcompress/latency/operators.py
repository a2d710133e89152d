"""Find the operators that a converted model will run, and which channels they see.

The converter and the runtime join what Keras has as separate layers.  The rules:

1. A BatchNorm folds into the convolution or Dense layer before it, if that has no
   activation of its own and nobody else reads its output. So does a number that is
   added or multiplied, and the addition that a hard sigmoid begins with.
2. A ReLU or ReLU6 after a convolution, a Dense layer, an Add or a BatchNorm that does
   not fold is clamped by that operator, if nobody else reads its output.
3. Dropout, Flatten, Reshape and their like cost nothing.
4. Any other BatchNorm is a multiplication and an addition.
5. A layer without a rule here is *uncovered*: a table is refused and the layer named,
   unless it is allowed; then only the correction by whole networks has seen it.
"""

from __future__ import annotations

import dataclasses
import math

from tfcompress import errors, graph
from tfcompress.graph.reading import Call
from tfcompress.latency import families
from tfcompress.latency.activation_families import FUSED, activation_kinds
from tfcompress.latency.call_shapes import CallShape, Part, Width
from tfcompress.latency.families import Family
from tfcompress.latency.layer_families import (
    is_alone,
    is_arithmetic,
    is_free,
    is_norm,
    rule_of,
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Operator:
    """One operator of the converted model.

    Attributes:
        layer: The Keras layer that it comes from.
        family: What it is.
        reads: Its input channels.
        makes: Its output channels; those of `reads` for kinds that keep them.
        inputs: Numbers of the tensors that it reads.
        output: Number of the tensor that it makes.
    """

    layer: str
    family: Family
    reads: Width
    makes: Width
    inputs: tuple[int, ...]
    output: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """The operators of a model.

    Attributes:
        operators: In the order that they run.
        uncovered: For each layer without a rule, its class.
        inputs: Numbers of the tensors that go in.
        outputs: Numbers of the tensors that come out.
    """

    operators: tuple[Operator, ...]
    uncovered: dict[str, str]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def refuse_uncovered(self) -> None:
        """Refuse to leave a layer out of a sum.

        Raises:
            BenchmarkError: If a layer has no rule; all of them are named.
        """
        if not self.uncovered:
            return
        named = ", ".join(f"{name} ({kind})" for name, kind in self.uncovered.items())
        raise errors.BenchmarkError(
            "It is not known which operators these layers become, so their time would "
            f"be missing. Received: {named}. Replace them, or leave them to the "
            "correction by whole networks with `--allow-uncovered`, in Python "
            "`build_table(..., allow_uncovered=True)`."
        )


def find_operators(layer_graph: graph.LayerGraph) -> Found:
    """Return what a converted model runs, by the rules above.

    Example:
        >>> import keras
        >>> x = image = keras.Input((8, 8, 3))
        >>> x = keras.layers.Conv2D(16, 3, use_bias=False)(x)
        >>> x = keras.layers.BatchNormalization()(x)
        >>> x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
        >>> model = keras.Model(image, keras.layers.Dense(2)(x))
        >>> found = find_operators(graph.trace(model)).operators
        >>> [operator.family.key for operator in found]
        ['conv 8x8 3x3 /1x1 valid', 'mean 6x6', 'dense 1x1']
    """
    return _Finder(layer_graph).find()


class _Finder:
    """Walks over the calls and remembers which ones an earlier operator took up."""

    def __init__(self, layer_graph: graph.LayerGraph) -> None:
        self._graph = layer_graph
        self._outputs = set(layer_graph.flat.output_tensors())
        self._taken: set[int] = set()
        self._sunk: set[int] = set()  # calls whose first sum an operator took up
        self._uncovered: dict[str, str] = {}
        self._same: dict[
            int, int
        ] = {}  # tensors that no operator makes: whose they are
        self._next = len(layer_graph.flat.tensors)  # numbers of tensors inside a layer

    def find(self) -> Found:
        flat = self._graph.flat
        operators = [
            operator
            for call in flat.calls
            if call.index not in self._taken
            for operator in self._of_call(call)
        ]
        return Found(
            operators=tuple(operators),
            uncovered=self._uncovered,
            inputs=tuple(flat.input_tensors()),
            outputs=tuple(self._same.get(t, t) for t in flat.output_tensors()),
        )

    def _of_call(self, call: Call) -> list[Operator]:
        inputs = [self._same.get(tensor, tensor) for tensor in call.inputs]
        if is_free(call.layer):
            self._same[call.outputs[0]] = inputs[0]
            return []
        rule, kinds = rule_of(call.layer), activation_kinds(call.layer)
        parts = None if rule is None else rule(self._shape(call))
        if parts is None or kinds is None:
            self._uncovered[call.name] = type(call.layer).__name__
            return []
        clamps = bool(parts) and parts[-1][0].kind in families.CLAMPS
        own = [kind for kind in kinds if not (clamps and kind in FUSED)]
        folds = bool(parts) and parts[-1][0].kind in families.FOLDS
        if own[:1] == [families.PLUS] and (folds or call.index in self._sunk):
            del own[0]
        made = self._wired(call, parts, self._activations(call, own), inputs)
        self._same[call.outputs[0]] = made[-1].output if made else inputs[0]
        if clamps and not kinds:
            self._take_up(call, parts[-1][0])
        return made

    def _activations(self, call: Call, kinds: list[str]) -> list[Part]:
        out = self._width(call.outputs[0])
        height, width = self._size(call.outputs[0])
        return [
            (Family(kind=kind, height=height, width=width), out, out) for kind in kinds
        ]

    def _wired(
        self, call: Call, parts: list[Part], activations: list[Part], inputs: list[int]
    ) -> list[Operator]:
        """Say what each operator of a call reads: the one before, and the next input.

        A sigmoid that is multiplied (SiLU) is multiplied by what it has read.
        """
        found: list[Operator] = []
        current, waiting = inputs[0], inputs[1:]
        for part in parts:
            others: list[int] = []
            if part[0].kind in families.JOINS:
                others = waiting
            elif part[0].kind in families.BINARY:
                others = [waiting.pop(0)]
            found.append(self._operator(call, part, (current, *others)))
            current = found[-1].output
        read = current
        for part in activations:
            others = [read] if part[0].kind in families.BINARY else []
            found.append(self._operator(call, part, (current, *others)))
            current = found[-1].output
        return found

    def _operator(self, call: Call, part: Part, inputs: tuple[int, ...]) -> Operator:
        family, reads, makes = part
        output, self._next = self._next, self._next + 1
        return Operator(
            layer=call.name,
            family=family,
            reads=reads,
            makes=makes,
            inputs=inputs,
            output=output,
        )

    def _take_up(self, call: Call, last: Family) -> None:
        """Mark the calls that fuse into an operator: rules 1 and 2."""
        made = self._same[call.outputs[0]]
        after = self._only_reader(call)
        folds = last.kind in families.FOLDS
        while folds and after is not None and _is_folded(after):
            self._take(after, made)
            after = self._only_reader(after)
        if after is None or not is_alone(after.layer):
            return
        kinds = activation_kinds(after.layer) or ()
        if kinds and set(kinds) <= set(FUSED):
            self._take(after, made)
        elif folds and kinds[:1] == (families.PLUS,):
            self._sunk.add(after.index)

    def _take(self, call: Call, made: int) -> None:
        self._taken.add(call.index)
        self._same[call.outputs[0]] = made

    def _only_reader(self, call: Call) -> Call | None:
        tensor = call.outputs[0]
        readers = self._graph.consumers_of.get(tensor, [])
        alone = len(readers) == 1 and tensor not in self._outputs
        return readers[0] if alone else None

    def _shape(self, call: Call) -> CallShape:
        return CallShape(
            layer=call.layer,
            sizes=tuple(self._size(tensor) for tensor in call.inputs),
            reads=tuple(self._width(tensor) for tensor in call.inputs),
            makes=self._width(call.outputs[0]),
            made_size=self._size(call.outputs[0]),
            shape=self._inner_shape(call.inputs[0]),
        )

    def _inner_shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(dim or 1 for dim in self._graph.flat.tensors[tensor].shape[1:])

    def _width(self, tensor: int) -> Width:
        channels = self._graph.channels[tensor]
        if channels is not None:
            return channels.atoms
        return int(self._graph.flat.tensors[tensor].shape[-1] or 1)

    def _size(self, tensor: int) -> tuple[int, int]:
        """Return height and width of a tensor; (1, 1) for a vector."""
        inner = [1, 1, *self._inner_shape(tensor)[:-1]]
        return (math.prod(inner[:-1]), inner[-1])


def _is_folded(call: Call) -> bool:
    """Tell whether a convolution before it takes it up: rule 1."""
    return is_norm(call.layer) or (is_arithmetic(call.layer) and len(call.inputs) == 1)
