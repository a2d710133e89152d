"""Translate a layer's config between Keras 2 and Keras 3, entry by entry.

1. Initializers, regularizers and constraints have the same names and arguments on both
   sides.  One that the other side lacks is left out if it is an initializer, whose work
   is done, and is an error else.
2. A dtype policy becomes its name.
3. An entry that the other side does not know is left out if it has the value that
   changes nothing (`NEUTRAL`), and is an error else.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tfcompress import errors

_ANY = object()

# Entries that only one side knows, and the values that change nothing.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "activity_regularizer": (None,),
    "antialias": (False,),
    "autocast": (_ANY,),
    "batch_input_shape": (_ANY,),
    "crop_to_aspect_ratio": (False,),
    "data_format": (None, "channels_last"),
    "dropout": (0, 0.0),
    "dynamic": (False,),
    "fill_mode": (_ANY,),  # of a resize that neither pads nor crops
    "fill_value": (_ANY,),
    "flash_attention": (None, False),
    "gptq_unpacked_column_size": (None,),
    "groups": (1,),
    "implementation": (_ANY,),
    "input_length": (_ANY,),
    "kernel_constraint": (_ANY,),  # of depthwise layers, which have no such kernel
    "kernel_initializer": (_ANY,),
    "kernel_regularizer": (_ANY,),
    "key_shape": (_ANY,),
    "lora_alpha": (_ANY,),  # without a rank there is no LoRA
    "lora_rank": (None,),
    "noise_shape": (None,),
    "pad_to_aspect_ratio": (False,),
    "quantization_config": (None,),
    "query_shape": (_ANY,),
    "ragged": (False,),
    "renorm": (False,),
    "renorm_clipping": (_ANY,),
    "renorm_momentum": (_ANY,),
    "rms_scaling": (False,),
    "rng_type": (_ANY,),
    "robust_masking": (False,),
    "seed": (_ANY,),  # the streams of random numbers differ anyway
    "sliding_window": (None,),
    "softmax_robust_masking": (False,),
    "sparse": (False,),
    "time_major": (False,),
    "trainable": (_ANY,),  # is set afterwards
    "use_cudnn": (_ANY,),
    "use_gate": (False,),
    "value_range": (_ANY,),
    "value_shape": (_ANY,),
    "weights": (None,),
    "zero_output_for_mask": (False,),
}

WITHOUT_WEIGHTS = ("Normalization",)
"""Layers whose constants go through the config."""


def make(
    layer: Any,
    target: type | None,
    config: Mapping[str, Any],
    kit: Any,
    custom_objects: Mapping[str, Any],
) -> Any:
    """Make a layer of the class `target`, its config translated.

    Args:
        layer: The other side's layer.
        target: The class of its counterpart; None: there is none.
        config: Its ``get_config()``, activations translated already.
        kit: ``keras`` or ``tf_keras``, whose class `target` is.
        custom_objects: Initializers and their like by class name.

    Raises:
        ModelError: If there is no such class, or it does not take the settings.
    """
    if target is None:
        raise without_counterpart(layer, kit)
    try:
        return target(**translated(config, target, kit, custom_objects))
    except (TypeError, ValueError) as error:
        kind = type(layer).__name__
        raise errors.ModelError(
            f"{kit.__name__} does not make this layer. Received: layer {layer.name!r} "
            f"({kind}): {str(error).splitlines()[0][:200]}. Pass custom_objects={{"
            f"{kind!r}: your_layer_of_{kit.__name__}}}."
        ) from error


def without_counterpart(layer: Any, kit: Any) -> errors.ModelError:
    """Return the error for a layer whose class the other side does not have."""
    kind, base = type(layer).__name__, f"{kit.__name__}.layers.Layer"
    return errors.ModelError(
        f"A layer has no counterpart in {kit.__name__}. Received: layer {layer.name!r} "
        f"of class {type(layer).__module__}.{kind}. Write it as a {base} with the same "
        f"weights and pass custom_objects={{{kind!r}: YourLayer}}."
    )


def from_custom(layer: Any, target: Any, config: dict[str, Any], kit: Any) -> Any:
    """Make a layer of the user's class, or by the user's function of the config.

    Raises:
        ModelError: If the class is no layer of `kit`.
    """
    config["dtype"] = dtype_name(config.get("dtype"))
    if not isinstance(target, type):
        return target(config)
    if not issubclass(target, kit.layers.Layer):
        raise errors.ModelError(
            f"A custom object is no layer of {kit.__name__}. Received: "
            f"{type(layer).__name__!r}: {target.__module__}.{target.__name__}. Pass a "
            f"subclass of {kit.__name__}.layers.Layer."
        )
    chosen: Any = target
    return chosen.from_config(config)


def translated(
    config: Mapping[str, Any],
    target: type,
    kit: Any,
    custom_objects: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the constructor of `target` takes for the config of its counterpart.

    Args:
        config: The other side's ``get_config()``, activations not yet translated.
        target: The class of the new layer.
        kit: ``keras`` or ``tf_keras``, whose class `target` is.
        custom_objects: Initializers and their like by class name.

    Raises:
        ModelError: If an entry has no equal on the other side.
    """
    known = _arguments(target)
    made: dict[str, Any] = {}
    for key, value in config.items():
        if key in known:
            plain = _value(key, value, config, kit, custom_objects)
            if plain is not _ANY:
                made[key] = plain
        elif not _is_neutral(key, value):
            raise errors.ModelError(
                f"A setting of a layer has no equal in {kit.__name__}. Received: layer "
                f"{config.get('name')!r} ({target.__name__}) with {key}={value!r}. "
                "Pass custom_objects={'" + target.__name__ + "': a class that has it}, "
                "or build the layer without it."
            )
    return made


def _is_neutral(key: str, value: Any) -> bool:
    return any(allowed is _ANY or value == allowed for allowed in NEUTRAL.get(key, ()))


def _arguments(target: type) -> set[str]:
    """Return every argument that the constructors of a class and its bases take."""
    names: set[str] = set()
    for base in target.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters
        names |= set(parameters) - {"self", "args", "kwargs"}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    if any(base.__name__ == "RNN" for base in target.__mro__):
        names.add("zero_output_for_mask")  # Keras 2 takes it without declaring it
    return names - {"input_shape", "batch_shape"}


def _value(
    key: str,
    value: Any,
    config: Mapping[str, Any],
    kit: Any,
    custom_objects: Mapping[str, Any],
) -> Any:
    if key == "dtype":
        return dtype_name(value)
    if key.endswith(("_initializer", "_regularizer", "_constraint")):
        kind = key.rsplit("_", 1)[-1] + "s"
        found = _object(value, getattr(kit, kind), custom_objects)
        if found is not _ANY or kind == "initializers":
            return found
        raise errors.ModelError(
            f"An object of a layer has no equal in {kit.__name__}. Received: layer "
            f"{config.get('name')!r} with {key}={_class_name(value)!r}. Pass its class "
            f"as custom_objects={{{_class_name(value)!r}: ...}}."
        )
    if type(value).__name__ == "ListWrapper":
        return list(value)
    return value


def _object(value: Any, module: Any, custom_objects: Mapping[str, Any]) -> Any:
    """Make an initializer or its like again on the other side; `_ANY` if it cannot."""
    if value is None or isinstance(value, str):
        return value if value is None or hasattr(module, value) else _ANY
    name = _class_name(value)
    custom = custom_objects.get(name)
    if custom is not None and not isinstance(custom, type):
        return custom
    target = custom or getattr(module, name, None)
    if target is None or not isinstance(value, Mapping):
        return _ANY
    arguments = _arguments(target)
    kept = {k: v for k, v in (value.get("config") or {}).items() if k in arguments}
    return target(**kept)


def _class_name(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("class_name"))
    return value if isinstance(value, str) else type(value).__name__


def dtype_name(value: Any) -> Any:
    """Return a dtype policy as a name, which both sides take.

    Example:
        >>> dtype_name({"class_name": "Policy", "config": {"name": "mixed_float16"}})
        'mixed_float16'
        >>> dtype_name("float32")
        'float32'
    """
    if isinstance(value, Mapping):
        return value["config"]["name"]
    return value if value is None or isinstance(value, str) else value.name
