"""New names for layers, unlike any that a model has."""

from __future__ import annotations

import keras

from tfcompress.graph.reading import FlatModel, input_names


class LayerNames:
    """The names of a model's layers and inputs, and those given since.

    Args:
        model: The model.
        flat: Its calls.

    Example:
        >>> from tfcompress.graph.reading import read_model
        >>> x = keras.Input((2,), name="x")
        >>> model = keras.Model(x, keras.layers.Dense(1, name="last")(x))
        >>> names = LayerNames(model, read_model(model))
        >>> names.new("first"), names.new("last"), names.new("last"), names.new("x")
        ('first', 'last_', 'last__', 'x_')
    """

    def __init__(self, model: keras.Model, flat: FlatModel) -> None:
        self._taken = {*input_names(model), *(call.name for call in flat.calls)}

    def new(self, name: str) -> str:
        """Return a name, with underscores behind it if it is taken; take it."""
        while name in self._taken:
            name = f"{name}_"
        self._taken.add(name)
        return name
