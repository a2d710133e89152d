"""Make a quantization-aware model: the original with fake quantization in it.

::

    conv - BN - ReLU    ->    conv, FQ(kernel) - BN - FQ with range [0, high]

Trained as any Keras model it learns weights, and ranges, that survive rounding; then
`tfcompress.tflite.convert` writes an integer file with exactly those scales.

Where the ranges lie is worked out in `sites`; which layers TFLite has in integers is
said in `operators`.

Source: B. Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018, section 3.  Where we differ: kernels have
a scale per output channel, so BatchNorm folds exactly after the training instead of in
every step (`weighted_layers`); Dense layers too, as the converter has learned that.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph.reading import Call, lost_training, read_model
from tfcompress.graph.rebuilding import arguments, copy_compile, replay
from tfcompress.quantize.activation_ranges import (
    FakeQuantize,
    FixedFakeQuantize,
    range_layers,
)
from tfcompress.quantize.float_borders import ToFloat
from tfcompress.quantize.layer_making import LayerMaker, policy_of
from tfcompress.quantize.layer_names import LayerNames
from tfcompress.quantize.operators import classify
from tfcompress.quantize.precision_maps import layer_recipes
from tfcompress.quantize.range_layers import RangeLayers
from tfcompress.quantize.recipes import Recipe, find
from tfcompress.quantize.reports import QuantizeReport
from tfcompress.quantize.simplifying import simplify
from tfcompress.quantize.sites import find_sites
from tfcompress.quantize.weighted_layers import FakeQuantizedKernel


def quantize_aware(
    model: keras.Model,
    recipe: str = "int8",
    *,
    skip: Iterable[str] = (),
    precision: Mapping[str, str] | None = None,
    per_channel: bool = True,
    momentum: float = 0.99,
) -> tuple[keras.Model, QuantizeReport]:
    """Return a copy of a model that trains with the rounding of a recipe.

    Args:
        model: A built functional or Sequential model, nested ones and shared layers
            included; trained, as a rule. It is not changed.
        recipe: ``int8``, ``int8_w4`` or ``int16x8``; see `tfcompress.quantize.recipes`.
        skip: Names of layers to leave in floating point.
        precision: Recipes of single layers by their names, ``float32`` among them.
        per_channel: Give kernels a scale for each output channel. False gives each
            kernel one scale, and folds BatchNorms in every step: slower and less
            accurate, for targets that need it.
        momentum: Of the ranges' moving averages; 0.99 to 0.999.

    Returns:
        A plain `keras.Model` to compile, fit, save and load as usual, with the compile
        settings of `model`; and what is quantized, and what is not and why. Custom
        layers stay in float.

    Raises:
        ModelError: If the model cannot be read, is quantized already, or is being
            pruned.
        ValueError: If a recipe is unknown.
        ConfigError: If a layer's name is unknown, or recipes do not go together.

    Example:
        >>> x = keras.Input((8, 8, 3))
        >>> y = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
        >>> y = keras.layers.GlobalAveragePooling2D(name="pool")(y)
        >>> y = keras.layers.Dense(2, name="head")(y)
        >>> qat_model, report = quantize_aware(keras.Model(x, y))
        >>> sorted(report.layers), report.fully_quantized
        (['conv', 'head', 'pool'], True)
    """
    whole = find(recipe, whole_model=True)
    flat = read_model(model)
    if is_quantized(model):
        raise errors.ModelError(
            "The model is quantized already. Received: "
            f"{model.name!r}, which has fake-quantizing layers. Pass the model that "
            "`quantize_aware` was called with."
        )
    _refuse_masked(model)
    recipes = layer_recipes(flat, whole, skip=skip, precision=precision or {})
    kept = [name for name, one in recipes.items() if one.is_float]
    simple, origin, notes = simplify(model, flat, leave=kept)
    parts = {name: recipes[origin[name]] for name in origin}
    builder = _Builder(simple, parts, whole, per_channel=per_channel, momentum=momentum)
    result = builder.build()
    notes += lost_training(model, result)
    copy_compile(model, result, notes)
    return result, builder.report(origin, notes)


def recipe_of(model: keras.Model) -> str:
    """Return the recipe that `quantize_aware` made a model by.

    Raises:
        ModelError: If it is none.
    """
    if not is_quantized(model):
        raise errors.ModelError(
            f"This is no quantization-aware model. Received: {model.name!r}. Make one "
            "with `quantize.quantize_aware(model)`."
        )
    ranges = range_layers(model)
    said = next((one.recipe for one in ranges if one.recipe), None)
    return said or _likely_recipe(model, ranges)


def _likely_recipe(model: keras.Model, ranges: Iterable[FakeQuantize]) -> str:
    """Return the recipe of a model from a file that does not say it."""
    if any(one.bits == 16 for one in ranges):
        return "int16x8"
    return "int8_w4" if 4 in weight_bits_of(model) else "int8"


def weight_bits_of(model: keras.Model) -> set[int]:
    """Return the bits of the weights that a quantization-aware model has."""
    layers = model._flatten_layers()  # noqa: SLF001 - no public walk
    kernels = [one for one in layers if isinstance(one, FakeQuantizedKernel)]
    return {one.weight_bits for one in kernels}


def is_quantized(model: keras.Model) -> bool:
    """Return whether a model was made by `quantize_aware`."""
    ours = (FakeQuantize, FixedFakeQuantize)
    return any(isinstance(layer, ours) for layer in model._flatten_layers())  # noqa: SLF001 - no public walk


def _refuse_masked(model: keras.Model) -> None:
    """Refuse a model whose zeros are held from outside its layers: copies lose that."""
    for variable in model.trainable_variables:
        if hasattr(getattr(variable, "constraint", None), "mask"):
            raise errors.ModelError(
                f"The model is being pruned. Received: {model.name!r}. Quantize "
                "`sparsity.strip(model)`, and hold its zeros: "
                "`sparsity.keep_zeros(qat_model)`."
            )


class _Builder:
    """The objects of one `quantize_aware`, from the simplified model on."""

    def __init__(
        self,
        model: keras.Model,
        recipes: Mapping[str, Recipe],
        whole: Recipe,
        *,
        per_channel: bool,
        momentum: float,
    ) -> None:
        self.model, self.recipes, self.whole = model, recipes, whole
        self.flat = read_model(model)
        self.sites = find_sites(self.flat, recipes)
        self.names = LayerNames(model, self.flat)
        self.ranges = RangeLayers(
            self.flat,
            self.sites,
            self.names,
            recipe=whole,
            momentum=momentum,
        )
        self.make = LayerMaker(
            self.flat,
            self.sites,
            recipes,
            self.names,
            per_channel=per_channel,
            renamed=self.ranges.renamed,
        )
        self._makers = {t: call for call in self.flat.calls for t in call.outputs}
        self._entries: dict[int, Any] = {}
        self._borders: dict[tuple[int, bool], Any] = {}
        self._asked: dict[int, bool] = {}  # of the calls in float

    def build(self) -> keras.Model:
        """Return the quantization-aware model, with weights."""
        result = replay(self.model, self.flat, self._visit)
        self.make.copy_state()
        return result

    def _visit(self, call: Call, tensors: Mapping[int, Any]) -> Any:
        if self.sites.operators[call.index].kind == "float":
            args, kwargs = arguments(call, self._in_float(call, tensors))
            return self.make.layer(call)(*args, **kwargs)
        policy = policy_of(call, self.flat)
        for tensor in call.inputs:
            if tensor in self.sites.entries and tensor not in self._entries:
                value = tensors[tensor]
                self._entries[tensor] = self.ranges.apply(tensor, value, policy=policy)
        known = ChainMap(self._entries, dict(tensors))
        if self.ranges.rectifies(call) or self.make.is_folded_away(call):
            outputs = known[call.inputs[0]]
        elif self.make.is_of_another_kind(call):
            outputs = self.make.layer(call)(known[call.inputs[0]])
        else:
            args, kwargs = arguments(call, known)
            outputs = self.make.layer(call)(*args, **kwargs)
        pairs = zip(call.outputs, keras.tree.flatten(outputs), strict=True)
        return [self.ranges.apply(t, value, policy=policy) for t, value in pairs]

    def _in_float(self, call: Call, tensors: Mapping[int, Any]) -> Mapping[int, Any]:
        """Return the tensors, behind a border if they come from elsewhere.

        That is from integers, or from layers that stay in float for the other reason.
        """
        asked = self._is_asked_for(call)
        self._asked[call.index] = asked
        bordered = {}
        for tensor in call.inputs:
            maker = self._makers.get(tensor)
            if maker is not None and self._asked.get(maker.index) == asked:
                continue
            key = tensor, asked
            if key not in self._borders:
                stem = maker.name if maker else self.flat.tensors[tensor].name
                name = self.names.new(f"{stem}_to_float")
                layer = ToFloat(asked=asked, name=name)
                self._borders[key] = layer(tensors[tensor])
            bordered[tensor] = self._borders[key]
        return ChainMap(bordered, dict(tensors))

    def _is_asked_for(self, call: Call) -> bool:
        """Return whether a user wants a call in float, or only what it reads is."""
        if self.recipes[call.name].is_float:
            return True
        makers = [self._makers[t].index for t in call.inputs if t in self._makers]
        before = [self._asked[index] for index in makers if index in self._asked]
        return bool(before) and all(before) and classify(call).kind != "float"

    def report(self, origin: Mapping[str, str], notes: Iterable[str]) -> QuantizeReport:
        """Return what was done, by the names of the original's layers."""
        layers: dict[str, str] = {}
        in_float: dict[str, str] = {}
        for call, operator in zip(self.flat.calls, self.sites.operators, strict=True):
            name = origin[call.name]
            if operator.kind == "float":
                in_float.setdefault(name, operator.reason)
            else:
                layers.setdefault(name, self.recipes[call.name].name)
        calls = self.flat.calls
        folded = {
            calls[norm].name: calls[kernel].name
            for norm, kernel in self.sites.folded.items()
        }
        return QuantizeReport(
            recipe=self.whole.name,
            layers={n: r for n, r in layers.items() if n not in in_float},
            float_layers=in_float,
            folded=folded,
            tied=tuple(self._tied(origin)),
            notes=(*notes, *self.make.notes),
        )

    def _tied(self, origin: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
        makers = self._makers
        for one in self.sites.ranges:
            names = [origin[makers[t].name] for t in sorted(one.members) if t in makers]
            if len(set(names)) > 1:
                yield tuple(dict.fromkeys(names))
