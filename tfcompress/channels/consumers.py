"""Find the kernels that read removable channels, and see each as plain matrices.

Whatever the layer, what it computes before its activation is ``Y = X W + b``: a row of
X holds what one output position reads (`patches`), and W is the kernel as one matrix:

=============  ==========================  ==================================
layer          kernel                      matrix ``[blocks, taps · c, out]``
=============  ==========================  ==================================
convolution    ``[*window, c, out]``       one block per group
transposed     ``[*window, out, c]``       last axes swapped
separable      pointwise ``[1.., c, out]`` its rows come after the depthwise
Dense          ``[c, out]``                one tap
=============  ==========================  ==================================

What a repair adds to Y at every position has to go somewhere: into the layer's own
bias, or into the moving mean of the BatchNorms behind it (as constants do, see
`tfcompress.graph.folding`), else there is none.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.graph import channel_rules, folding
from tfcompress.graph.reading import Call

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]

CONV, TRANSPOSED, SEPARABLE, DENSE = "conv", "transposed", "separable", "dense"

_L = keras.layers
_FORMS: dict[type, str] = {
    _L.Conv1D: CONV,
    _L.Conv2D: CONV,
    _L.Conv3D: CONV,
    _L.Conv1DTranspose: TRANSPOSED,
    _L.Conv2DTranspose: TRANSPOSED,
    _L.Conv3DTranspose: TRANSPOSED,
    _L.SeparableConv1D: SEPARABLE,
    _L.SeparableConv2D: SEPARABLE,
    _L.Dense: DENSE,
    _L.EinsumDense: DENSE,
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Consumer:
    """One kernel that reads channels which can be removed.

    Attributes:
        call: Its only call.
        layer: The Keras layer.
        form: CONV, TRANSPOSED, SEPARABLE or DENSE.
        variable: Short name of the kernel.
        atoms: The channel at each position of the kernel's input axis.
        out: The channel at each position of its output axis.
        blocks: Number of groups of a grouped convolution; else 1.
        has_bias: Whether the intercept can go into the layer's own bias.
        norms: Names of the BatchNorms whose moving mean can take it instead.
    """

    call: Call
    layer: Any
    form: str
    variable: str
    atoms: IntArray
    out: IntArray
    blocks: int
    has_bias: bool
    norms: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.call.name

    @property
    def takes_intercept(self) -> bool:
        """Whether what a repair adds everywhere has a place to go."""
        return self.has_bias or bool(self.norms)

    @property
    def kernel(self) -> Array:
        """The kernel's value, in Keras order."""
        return channel_rules.weights_of(self.layer)[self.variable]

    @property
    def taps(self) -> int:
        """Positions of the window."""
        shape = self._shape
        return int(np.prod(shape[:-2]))

    @property
    def columns(self) -> int:
        """Columns of each block's rows: taps times channels."""
        return self.taps * len(self.atoms)

    @property
    def _shape(self) -> tuple[int, ...]:
        for variable in self.layer.variables:
            if variable.name == self.variable:
                return tuple(variable.shape)
        raise AssertionError(self.name)  # `find_consumers` has seen it

    def matrix(self, kernel: Array) -> Array:
        """Return a kernel as ``[blocks, taps · c, out per block]``, float64."""
        if self.form == TRANSPOSED:
            kernel = np.swapaxes(kernel, -1, -2)
        wide = kernel.astype(np.float64).reshape(self.columns, self.blocks, -1)
        return np.ascontiguousarray(np.moveaxis(wide, 1, 0))

    def kernel_of(self, matrix: Array) -> Array:
        """Turn a matrix back into a float32 kernel."""
        wide = np.moveaxis(matrix, 0, 1).reshape(self.columns, -1)
        window = self._shape[:-2]
        kernel = wide.reshape(*window, len(self.atoms), len(self.out))
        if self.form == TRANSPOSED:
            kernel = np.swapaxes(kernel, -1, -2)
        return np.ascontiguousarray(kernel, dtype=np.float32)

    def kept_columns(self, keep_mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Spread a mask of input channels over the columns of a block."""
        return np.tile(keep_mask, self.taps)


def find_consumers(
    layer_graph: graph.LayerGraph,
) -> tuple[list[Consumer], dict[str, str]]:
    """List the kernels that can be refitted, in topological order.

    Returns:
        The consumers; and for each layer that reads removable channels but cannot be
        refitted, why: it stays masked, its constants folded.
    """
    roots = [group.roots for group in layer_graph.groups]
    free = np.concatenate(roots) if roots else np.zeros(0, np.int64)
    found: list[Consumer] = []
    left_out: dict[str, str] = {}
    for call, effect in zip(layer_graph.flat.calls, layer_graph.effects, strict=True):
        for variable, axes in effect.weights.items():
            reads = [a for a in axes if a is not None and a.role == "consumes"]
            if (
                not reads
                or not np.isin(layer_graph.classes.root[reads[0].atoms], free).any()
            ):
                continue
            why = _refusal(layer_graph, call, effect, variable)
            if why is not None:
                left_out[call.name] = why
            else:
                found.append(_consumer(layer_graph, call, variable, reads[0].atoms))
    return found, left_out


def _refusal(
    layer_graph: graph.LayerGraph, call: Call, effect: graph.Effect, variable: str
) -> str | None:
    """Return why a layer cannot be refitted, or None."""
    if layer_graph.call_counts[call.name] > 1:
        return "it is called several times and has one kernel for all its inputs"
    if _form(call.layer) is None or effect.fold is None:
        return f"{type(call.layer).__name__} is of no form that can be refitted"
    if effect.fold.kernel != variable or len(call.inputs) != 1:
        return f"its weight {variable!r} reads channels in an unknown way"
    return None


def _form(layer: Any) -> str | None:
    return next((_FORMS[b] for b in type(layer).__mro__ if b in _FORMS), None)


def _consumer(
    layer_graph: graph.LayerGraph, call: Call, variable: str, atoms: IntArray
) -> Consumer:
    target = layer_graph.fold_targets[call.name]
    return Consumer(
        call=call,
        layer=call.layer,
        form=_form(call.layer) or "",
        variable=variable,
        atoms=atoms,
        out=target.out,
        blocks=getattr(call.layer, "groups", 1) if _form(call.layer) == CONV else 1,
        has_bias=target.into == folding.BIAS,
        norms=target.norms if target.into == folding.MEAN else (),
    )
