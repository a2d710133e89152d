"""The table of channel rules: the built-in ones, and those that users add.

Example:
    >>> import keras
    >>> class Gain(keras.layers.Layer):
    ...     def build(self, shape):
    ...         self.gain = self.add_weight(shape=shape[-1:], name="gain")
    ...     def call(self, x):
    ...         return x * self.gain
    >>> register_channel_rule(Gain, lambda call: call.follow(weights={"gain": 0}))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from tfcompress.graph.channel_rules import Rule
from tfcompress.graph.layer_rules import LAYER_RULES
from tfcompress.graph.tensor_rules import OPERATION_RULES, TENSOR_RULES

Entry = TypeVar("Entry")

_RULES: dict[type | str, Rule] = {**LAYER_RULES, **TENSOR_RULES, **OPERATION_RULES}


def register_channel_rule(layer_class: type | str, rule: Rule) -> None:
    """Teach the tracer how a layer class maps its channels.

    A subclass that keeps its parent's ``call`` inherits the parent's rule.

    Args:
        layer_class: The class, or ``"module.QualName"`` of a class not worth importing.
        rule: A function of a `LayerCall` that returns an `Effect`; the words it is
            written in are in `tfcompress.graph.channel_rules`.
    """
    _RULES[layer_class] = rule


def rule_for(layer: Any) -> Rule | None:
    """Return the rule of a layer, or None if the table has none that is safe to use."""
    return entry_for(layer, _RULES)


def entry_for(layer: Any, table: Mapping[type | str, Entry]) -> Entry | None:
    """Return a table's entry for a layer: its class's, or that of a parent's ``call``.

    Args:
        layer: A Keras layer or operation.
        table: By class, or by ``"module.QualName"``.

    Returns:
        None if the table has no entry, or the layer computes something else than the
        class that has one.
    """
    own_call = getattr(type(layer), "call", None)
    for base in type(layer).__mro__:
        entry = table.get(base) or table.get(f"{base.__module__}.{base.__qualname__}")
        if entry is not None:
            return entry if getattr(base, "call", None) is own_call else None
    return None
