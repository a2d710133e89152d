"""Fold BatchNorm into the layer before it: a float model as the file will hold it.

``y = γ·(Wx + b - μ)/σ + β`` is one layer with ``W' = W·γ/σ`` and
``b' = (b - μ)·γ/σ + β``, where ``σ = sqrt(variance + ε)``.  A BatchNorm is folded if

1. a convolution, depthwise or Dense layer without an activation makes its input,
2. nothing else reads that, and each of the two layers is called once,
3. it normalises the channels, and not with batch statistics (``training=True``).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import tree

from tfcompress.graph.reading import Call, FlatModel, Ref, read_model
from tfcompress.graph.rebuilding import rebuild
from tfcompress.quantize.kernels import (
    Array,
    array_of,
    channel_axis,
    kernels_of,
    variables_of,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NormFolding:
    """What became of each BatchNorm.

    Attributes:
        folded: For each that is gone, the layer that took it up.
        kept: For each that stays, the reason.
    """

    folded: dict[str, str]
    kept: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)


def fold_batch_norms(model: keras.Model) -> tuple[keras.Model, NormFolding]:
    """Return an equal model, nested models inlined, with its BatchNorms folded.

    Args:
        model: A built functional or Sequential model; it is not changed.

    Raises:
        ModelError: If the model's graph cannot be read.

    Example:
        >>> x = inputs = keras.Input((4, 4, 3))
        >>> x = keras.layers.Conv2D(2, 3, use_bias=False, name="conv")(x)
        >>> x = keras.layers.BatchNormalization(name="norm")(x)
        >>> folded, report = fold_batch_norms(keras.Model(inputs, x))
        >>> [layer.name for layer in folded.layers[1:]], report.folded
        (['conv'], {'norm': 'conv'})
    """
    flat = read_model(model)
    pairs, kept = _pairs(flat)
    norms = {maker.name: norm for maker, norm in pairs}
    edits = {maker.name: {"use_bias": True} for maker, _ in pairs}
    new, layers, _ = rebuild(model, _without([norm for _, norm in pairs], flat), edits)
    copied = set()
    for call in flat.calls:
        layer = layers.get(call.name)
        if layer is None or layer is call.layer or call.name in copied:
            continue
        copied.add(call.name)
        if call.name in norms:
            _assign_folded(call.layer, norms[call.name].layer, layer)
        else:
            copy_variables(call.layer, layer)
    folded = {norm.name: maker.name for maker, norm in pairs}
    return new, NormFolding(folded=folded, kept=kept)


def copy_variables(old: Any, new: Any) -> None:
    """Give a layer the values of one with the same config."""
    for target, source in zip(
        getattr(new, "variables", ()), getattr(old, "variables", ()), strict=True
    ):
        target.assign(source)


def _pairs(flat: FlatModel) -> tuple[list[tuple[Call, Call]], dict[str, str]]:
    makers = {tensor: call for call in flat.calls for tensor in call.outputs}
    uses = Counter(tensor for call in flat.calls for tensor in call.inputs)
    uses.update(flat.output_tensors())
    calls = Counter(call.name for call in flat.calls)
    pairs, kept = [], {}
    for call in flat.calls:
        if not isinstance(call.layer, keras.layers.BatchNormalization):
            continue
        maker = makers.get(call.inputs[0])
        reason = _obstacle(call, maker, uses[call.inputs[0]], calls, flat)
        if reason or maker is None:
            kept[call.name] = reason
        else:
            pairs.append((maker, call))
    return pairs, kept


def _obstacle(  # noqa: PLR0911 - one line per rule
    norm: Call, maker: Call | None, uses: int, calls: Counter[str], flat: FlatModel
) -> str:
    """Return why a BatchNorm cannot be folded, or an empty string."""
    if maker is None or not kernels_of(maker.layer):
        return "no convolution or Dense layer makes its input"
    if maker.layer.activation is not keras.activations.linear:
        return f"{maker.name} has an activation before it"
    if getattr(maker.layer, "lora_enabled", False):
        return f"{maker.name} has LoRA weights"
    if uses > 1:
        return f"the output of {maker.name} is used elsewhere too"
    if calls[norm.name] > 1 or calls[maker.name] > 1:
        return "one of the two layers is called several times"
    if norm.kwargs.get("training"):
        return "it is called with training=True"
    rank = len(flat.tensors[norm.inputs[0]].shape)
    if norm.layer.axis % rank != channel_axis(maker.layer) % rank:
        return "it normalises another axis than the channels"
    return ""


def _without(removed: list[Call], flat: FlatModel) -> FlatModel:
    """Take calls out whose output is then their input."""
    gone = {call.index for call in removed}
    same = {call.outputs[0]: call.inputs[0] for call in removed}

    def renamed(leaf: Any) -> Any:
        return (
            Ref(same.get(leaf.tensor, leaf.tensor)) if isinstance(leaf, Ref) else leaf
        )

    kept = [call for call in flat.calls if call.index not in gone]
    calls = []
    for index, call in enumerate(kept):
        args, kwargs = tree.map_structure(renamed, (call.args, dict(call.kwargs)))
        inputs = tuple(same.get(tensor, tensor) for tensor in call.inputs)
        calls.append(
            dataclasses.replace(
                call, index=index, args=args, kwargs=kwargs, inputs=inputs
            )
        )
    outputs = tree.map_structure(renamed, flat.outputs)
    return dataclasses.replace(flat, calls=tuple(calls), outputs=outputs)


def _assign_folded(old: Any, norm: Any, new: Any) -> None:
    factor, shift = affine_of(norm)
    before, after = variables_of(old), variables_of(new)
    last = kernels_of(old)[-1]
    for name, variable in before.items():
        value = array_of(variable).astype(np.float64)
        if name == last.name:
            value = value * last.per_output(factor, value.shape)
        if name != "bias":
            after[name].assign(value)
    bias = array_of(before["bias"]) if "bias" in before else 0.0
    after["bias"].assign(bias * factor + shift)


def affine_of(norm: Any) -> tuple[Array, Array]:
    """Return the factor and the shift per channel of a BatchNorm in inference."""
    held = {name: array_of(v).astype(float) for name, v in variables_of(norm).items()}
    mean = held["moving_mean"]
    factor = held.get("gamma", 1.0) / np.sqrt(held["moving_variance"] + norm.epsilon)
    return factor, held.get("beta", 0.0) - mean * factor
