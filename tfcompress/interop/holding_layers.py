"""Make the counterpart of a layer that holds layers: theirs first, either way.

Keras 2 and Keras 3 hold them alike, so one description serves both directions; what
differs is the kit whose layers are made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Config = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """The side that a layer is made on.

    Attributes:
        kit: ``keras`` or ``tf_keras``.
        counterpart: Makes the counterpart of a layer that is held.
        same_class: Makes a layer of the other's class name with a config.
    """

    kit: Any
    counterpart: Callable[[Any], Any]
    same_class: Callable[[Any, Config], Any]


def make(layer: Any, config: Config, side: Side) -> Any:
    """Return the counterpart of a layer that `holds`."""
    return _MAKERS[type(layer).__name__](layer, config, side)


def holds(layer: Any) -> bool:
    """Return whether a layer holds others, in a way that is known."""
    return type(layer).__name__ in _MAKERS


def _time_distributed(layer: Any, config: Config, side: Side) -> Any:
    inner = side.counterpart(layer.layer)
    return side.kit.layers.TimeDistributed(inner, name=config["name"])


def _bidirectional(layer: Any, config: Config, side: Side) -> Any:
    return side.kit.layers.Bidirectional(
        side.counterpart(layer.forward_layer),
        merge_mode=config["merge_mode"],
        backward_layer=side.counterpart(layer.backward_layer),
        name=config["name"],
    )


def _rnn(layer: Any, config: Config, side: Side) -> Any:
    return side.same_class(layer, {**config, "cell": side.counterpart(layer.cell)})


def _stacked_cells(layer: Any, config: Config, side: Side) -> Any:
    cells = [side.counterpart(cell) for cell in layer.cells]
    return side.same_class(layer, {**config, "cells": cells})


_MAKERS: Mapping[str, Callable[[Any, Config, Side], Any]] = {
    "Bidirectional": _bidirectional,
    "RNN": _rnn,
    "StackedRNNCells": _stacked_cells,
    "TimeDistributed": _time_distributed,
}
