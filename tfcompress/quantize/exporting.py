"""Turn a trained quantization-aware model into one that the converter takes.

The result computes the same numbers in inference with the operators that TFLite has,
and tells the converter every scale:

1. A kernel and its BatchNorm or factor become one convolution of the folded, rounded
   kernel.  Its values lie on the grid, so the converter finds the scales in them;
   four-bit kernels are marked by an operator that says so.
2. A BatchNorm, Rescaling or Normalization on its own becomes a 1x1 depthwise
   convolution: exact per channel, where a product and a sum would round twice.
3. Activations are written the way that the converter recognises (`hard_silu` as
   HARD_SWISH), with their inner ranges.
4. Ranges are constants.  A ReLU cap other than 6 is the end of its range.
5. Layers that stay in float are as they were, behind a border (`float_borders`).

Source: B. Jacob et al., CVPR 2018, section 3.2, for the folding.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph.copying import copy_weights
from tfcompress.graph.reading import Call, FlatModel, read_model
from tfcompress.graph.rebuilding import arguments, copy_layer, replay
from tfcompress.quantize import export_forms
from tfcompress.quantize.activation_ranges import (
    FakeQuantize,
    FixedFakeQuantize,
    range_layers,
)
from tfcompress.quantize.affine_layers import (
    QuantizedNormalization,
    QuantizedRescaling,
    factors_and_offsets,
)
from tfcompress.quantize.aware import recipe_of
from tfcompress.quantize.export_forms import Computed, Form, numpy
from tfcompress.quantize.float_borders import ToFloat, as_casts
from tfcompress.quantize.folded_layers import FoldedBatchNormalization
from tfcompress.quantize.layer_names import LayerNames
from tfcompress.quantize.normalization import FreezableBatchNormalization, affine
from tfcompress.quantize.operators import classify
from tfcompress.quantize.weighted_layers import FakeQuantizedKernel


def to_convertible(model: keras.Model) -> keras.Model:
    """Return a float model with constant ranges that computes what `model` does.

    Args:
        model: What `quantize_aware` made, trained; in float32. It is not changed.

    Raises:
        ModelError: If it is no such model.
        ConversionError: If a range has not seen any data.
    """
    recipe_of(model)  # refuses what is none
    _refuse_unset(model)
    flat = read_model(model)
    exporter = _Exporter(model, flat)
    result = replay(model, flat, exporter.visit)
    exporter.copy_state()
    return result


def _refuse_unset(model: keras.Model) -> None:
    unset = [one.name for one in range_layers(model) if not any(one.range())]
    if unset:
        listed = ", ".join(unset[:3]) + (", ..." if len(unset) > 3 else "")
        raise errors.ConversionError(
            f"{len(unset)} activation ranges have not seen any data, so there are no "
            f"scales to write. Received: {model.name!r} with {listed} unset. Train the "
            "model, or set them with `quantize.calibrate(model, batches)`."
        )


_FOLDS = (FreezableBatchNormalization, QuantizedRescaling)
_AFFINE = (*_FOLDS, QuantizedNormalization)


class _Exporter:
    """Writes each call in the form that the converter wants."""

    def __init__(self, model: keras.Model, flat: FlatModel) -> None:
        self._names = LayerNames(model, flat)
        self._makers = {t: call for call in flat.calls for t in call.outputs}
        self._readers = {t: call for call in flat.calls for t in call.inputs}
        self._bits = next((one.bits for one in range_layers(model)), 8)
        self._inputs: dict[int, Any] = {}  # of kernels that fold, by their outputs
        self._floats: set[int] = set()  # tensors in float, from a border on
        self._kernels: Counter[bytes] = Counter()  # by content
        self._copies: dict[str, tuple[Any, Any]] = {}
        self._notes: list[str] = []

    def visit(self, call: Call, tensors: Mapping[int, Any]) -> Any:
        args, kwargs = arguments(call, tensors)
        if isinstance(call.layer, ToFloat):
            self._floats.update(call.outputs)
            border = functools.partial(as_casts, asked=call.layer.asked)
            return self._computed(call, border)(args[0])
        if self._is_rescaled(call):
            return args[0]
        if not self._floats.isdisjoint(call.inputs):
            return self._read_float(call, args, kwargs)
        form = self._form(call)
        if form is None:
            return self._copy(call)(*args, **kwargs)
        if self._folds_later(call):
            self._inputs[call.outputs[0]] = args[0]
            return args[0]  # nothing reads it
        folded = self._inputs.get(call.inputs[0])
        return self._computed(call, form)(args[0] if folded is None else folded)

    def _is_rescaled(self, call: Call) -> bool:
        """Return whether a known range joins another one.

        The converter knows of the first itself, and takes no two ranges in a row.
        """
        reader = self._readers.get(call.outputs[0])
        return (
            isinstance(call.layer, FixedFakeQuantize)
            and reader is not None
            and isinstance(reader.layer, FakeQuantize)
        )

    def _read_float(self, call: Call, args: Any, kwargs: Any) -> Any:
        """Return what a call makes of numbers in float: integers again, or more."""
        if isinstance(call.layer, FakeQuantize):
            into_range = export_forms.range_form(call.layer)
            return self._computed(call, lambda x: into_range(as_casts(x)))(args[0])
        self._floats.update(call.outputs)
        return self._copy(call)(*args, **kwargs)

    def _form(self, call: Call) -> Form | None:
        """Return what a call computes in the file; None if the layer says it."""
        layer = call.layer
        if isinstance(layer, FakeQuantize):
            return export_forms.range_form(layer)
        if isinstance(layer, FakeQuantizedKernel):
            return self._kernel(layer)
        if isinstance(layer, FoldedBatchNormalization):
            return self._kernel(layer.layer, *layer.folded_kernel())
        if isinstance(layer, _AFFINE):
            return self._affine(call)
        return export_forms.plain_form(layer, classify(call), bits=self._bits)

    def _affine(self, call: Call) -> Form:
        maker = self._makers.get(call.inputs[0])
        layer, channels = call.layer, call.layer.output.shape[-1]
        is_norm = isinstance(layer, FreezableBatchNormalization)
        scale, offset = (affine if is_norm else factors_and_offsets)(layer, channels)
        if maker is None or not isinstance(maker.layer, FakeQuantizedKernel):
            return export_forms.affine_form(scale, offset)
        kernel: Any = maker.layer
        on_grid = numpy(kernel.on_grid(kernel.kernel))
        bias = numpy(kernel.bias) if kernel.use_bias else 0.0
        return self._kernel(
            kernel, on_grid * kernel.spread(scale), offset + bias * scale
        )

    def _kernel(self, layer: Any, *folded: Any) -> Form:
        return export_forms.kernel_form(layer, *folded, seen=self._kernels)

    def _folds_later(self, call: Call) -> bool:
        reader = self._readers.get(call.outputs[0])
        return (
            isinstance(call.layer, FakeQuantizedKernel)
            and reader is not None
            and isinstance(reader.layer, _FOLDS)
        )

    def _computed(self, call: Call, form: Form) -> Computed:
        layer = Computed(form)
        layer.name = self._names.new(f"computed_{call.index}")
        return layer

    def _copy(self, call: Call) -> Any:
        if call.name not in self._copies:
            copy = copy_layer(call.layer, call.name, {}, self._notes)
            self._copies[call.name] = (call.layer, copy)
        return self._copies[call.name][1]

    def copy_state(self) -> None:
        """Give the copies the weights of the originals."""
        for layer, copy in self._copies.values():
            if isinstance(layer, keras.Layer) and layer.weights:
                copy_weights(layer, copy)
