"""Carry weights from one layer to its counterpart by name.

1. If the last parts of the names (``kernel``, ``gamma``) are unique on both sides and
   are the same set, they decide.
2. A depthwise convolution's ``depthwise_kernel`` of Keras 2 is ``kernel`` in Keras 3.
3. Else (two cells in one layer, say) the order decides, which Keras keeps, and every
   name and shape is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcompress import errors

_DEPTHWISE = "depthwise_kernel"
_RENAMED = {_DEPTHWISE: "kernel"}

Pairs = Sequence[tuple[str, np.ndarray[Any, Any]]]


def carry(source: Pairs, target: Any, paths: Sequence[str], *, layer: str) -> None:
    """Assign the values of `source` to the variables `target`.

    Args:
        source: Path and value of each weight.
        target: Variables of Keras 2 or Keras 3.
        paths: The path of each.
        layer: Name of the layer, for the message.

    Raises:
        ModelError: If the two do not hold the same weights.
    """
    wanted = [_last(path) for path in paths]
    given = [_last(path) for path, _ in source]
    if _DEPTHWISE in set(wanted) ^ set(given) and "pointwise_kernel" not in given:
        wanted, given = (
            [_RENAMED.get(n, n) for n in names] for names in (wanted, given)
        )
    if len(set(wanted)) == len(wanted) and sorted(wanted) == sorted(given):
        by_name = dict(zip(given, source, strict=True))
        values = [by_name[name][1] for name in wanted]
    elif wanted == given:
        values = [value for _, value in source]
    else:
        raise _mismatch(layer, given, wanted)
    for variable, value in zip(target, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise _mismatch(layer, [str(value.shape)], [str(tuple(variable.shape))])
        variable.assign(value)


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _mismatch(
    layer: str, given: Sequence[str], wanted: Sequence[str]
) -> errors.ModelError:
    return errors.ModelError(
        "A layer and its counterpart hold other weights. Received: layer "
        f"{layer!r} with {', '.join(given) or 'none'}; the counterpart has "
        f"{', '.join(wanted) or 'none'}. Pass a class whose weights have the same "
        "names and shapes as custom_objects={...}."
    )
