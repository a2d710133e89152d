"""Decide which layers TFMOT's quantization-aware training can take, and wrap them.

TFMOT's 8-bit scheme knows a list of layer classes and refuses the model if another one
is in it.  A layer is taken if one of these holds:

1. Its class is in TFMOT's registry and its activation is one that TFMOT quantizes.
2. It is a BatchNormalization that alone follows a linear convolution or Dense, which
   TFMOT folds.

Everything else stays outside, in float.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tfcompress import errors
from tfcompress.interop import legacy

_ACTIVATIONS = ("linear", "relu", "softmax", "sigmoid", "tanh", "swish", "gelu")
_BEFORE_NORM = ("Conv2D", "Dense", "DepthwiseConv2D")
_REGISTRY = (
    "tensorflow_model_optimization.python.core.quantization.keras.default_8bit."
    "default_8bit_quantize_registry"
)


def outside(model: Any) -> dict[str, str]:
    """Return the layers of a Keras 2 model that TFMOT cannot quantize, and why."""
    legacy.tfmot()
    registry = importlib.import_module(_REGISTRY).Default8BitQuantizeRegistry()
    found = {layer.name: _reason(layer, registry) for layer in model.layers}
    return {name: reason for name, reason in found.items() if reason}


def quantize(model: Any, left_out: Mapping[str, str]) -> Any:
    """Return TFMOT's quantization-aware model, the layers of `left_out` untouched.

    Raises:
        ModelError: If TFMOT refuses.
    """
    tools = legacy.tfmot().quantization.keras
    kit = legacy.tf_keras()

    def annotate(layer: Any) -> Any:
        known = layer.name in left_out or isinstance(layer, kit.layers.InputLayer)
        return layer if known else tools.quantize_annotate_layer(layer)

    with legacy.untouched():
        try:
            annotated = kit.models.clone_model(model, clone_function=annotate)
            annotated.set_weights(model.get_weights())
            return tools.quantize_apply(annotated)
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise errors.ModelError(
                "TFMOT refuses to quantize this model. Received: "
                f"{model.name!r} ({' '.join(str(error).split())[:300]}). Use "
                "`quantize.quantize_aware`, which needs no TFMOT."
            ) from error


def refuse(left_out: Mapping[str, str]) -> None:
    """Refuse a model with layers that TFMOT cannot quantize.

    Raises:
        ModelError: With every layer and its reason.
    """
    if left_out:
        listed = "; ".join(f"{name} ({why})" for name, why in left_out.items())
        raise errors.ModelError(
            "TFMOT's quantization-aware training does not know these layers. Received: "
            f"{listed[:600]}. Leave them outside, in float, with "
            "`skip_unsupported=True`."
        )


def _reason(layer: Any, registry: Any) -> str:
    kind = type(layer).__name__
    if kind == "InputLayer":
        return ""
    if kind == "BatchNormalization":
        return "" if _is_folded(layer) else "it follows no linear convolution alone"
    if not registry.supports(layer):
        return f"the class {kind} is not in TFMOT's registry"
    function = getattr(layer, "activation", None)
    name = getattr(function, "__name__", None) or type(function).__name__
    if function is not None and name not in _ACTIVATIONS:
        return f"TFMOT has no quantizer for the activation {name!r}"
    return ""


def _is_folded(norm: Any) -> bool:
    nodes = norm.inbound_nodes
    if len(nodes) != 1:
        return False
    before = nodes[0].inbound_layers
    if isinstance(before, list) or type(before).__name__ not in _BEFORE_NORM:
        return False
    linear = getattr(before.activation, "__name__", "") == "linear"
    return linear and len(before.outbound_nodes) == 1
