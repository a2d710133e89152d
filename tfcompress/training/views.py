"""Stand-ins for layers that share everything with them but a named difference."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


def share(layer: Any, /, **differences: Any) -> Any:
    """Return a layer with the variables and attributes of `layer`, some replaced.

    It keeps its own record of the graphs it is called in, so that `layer` is left as it
    was.

    Args:
        layer: A built layer.
        **differences: Attributes of the stand-in.

    Example:
        >>> dense = keras.layers.Dense(2, activation="softmax")
        >>> dense.build((None, 3))
        >>> linear = share(dense, activation=keras.activations.linear)
        >>> linear.kernel is dense.kernel, dense.activation.__name__
        (True, 'softmax')
    """
    twin = object.__new__(type(layer))
    own = {"_inbound_nodes": [], "_outbound_nodes": [], **differences}
    object.__setattr__(twin, "__dict__", {**layer.__dict__, **own})
    return twin


@contextlib.contextmanager
def unrecorded(model: keras.Model) -> Iterator[None]:
    """Let a block call the layers of `model` without leaving nodes on them.

    Calling a layer on a symbolic tensor records a node on it and on what made the
    tensor.  Whoever reads the graph of `model` later should not find ours.
    """
    lists = [
        nodes
        for operation in operations(model)
        for nodes in (operation._inbound_nodes, operation._outbound_nodes)  # noqa: SLF001 - no public access
    ]
    recorded = [(nodes, len(nodes)) for nodes in lists]
    try:
        yield
    finally:
        for nodes, count in recorded:
            del nodes[count:]


def operations(model: keras.Model) -> Iterator[Any]:
    """Yield every operation of the graph, and of the models nested in it."""
    for operation in [*graph_of(model).operations, *model.layers]:
        yield operation
        if has_graph(operation):
            yield from operations(operation)


def graph_of(model: keras.Model) -> Any:
    """Return the functional model inside a Sequential one, or `model` itself."""
    return model._functional if isinstance(model, keras.Sequential) else model  # noqa: SLF001 - no public access


def has_graph(model: object) -> bool:
    """Return whether `model` is functional or Sequential."""
    return isinstance(model, keras.Sequential) or hasattr(model, "operations")
