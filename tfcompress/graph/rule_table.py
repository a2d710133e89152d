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

from typing import Any

from tfcompress.graph.channel_rules import Rule
from tfcompress.graph.layer_rules import LAYER_RULES
from tfcompress.graph.tensor_rules import OPERATION_RULES, TENSOR_RULES

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
    own_call = getattr(type(layer), "call", None)
    for base in type(layer).__mro__:
        rule = _RULES.get(base) or _RULES.get(f"{base.__module__}.{base.__qualname__}")
        if rule is not None:
            return rule if getattr(base, "call", None) is own_call else None
    return None
