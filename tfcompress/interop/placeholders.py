"""A Keras 2 layer that stands in for a custom layer while its file is read.

The class that wrote the file is not here, only the Keras 3 class that the user names.
The placeholder builds that layer inside, declares variables of the same names and
shapes, so that Keras 2 can load the file's weights, and computes what the layer would,
so that the shapes behind it are known.
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress.interop import legacy


def placeholder(name: str, target: type[keras.layers.Layer]) -> type:
    """Return a ``tf_keras`` layer class called `name` that stands in for `target`."""
    base = legacy.tf_keras().layers.Layer

    class Placeholder(base):  # type: ignore[misc, valid-type]
        """Stands in for a custom layer; see the module."""

        def __init__(self, **config: Any) -> None:
            own = {k: config[k] for k in ("name", "trainable", "dtype") if k in config}
            super().__init__(**own)
            self.config_of_file = dict(config)
            self._twin = [_made(target, config)]  # in a list: Keras must not track it

        def build(self, input_shape: Any) -> None:
            twin = self._twin[0]
            if not twin.built:
                twin.build(_plain_shape(input_shape))
            trainable = {id(variable) for variable in twin.trainable_variables}
            for variable in twin.weights:
                self.add_weight(
                    name=variable.name,
                    shape=tuple(variable.shape),
                    dtype=variable.dtype,
                    trainable=id(variable) in trainable,
                )
            super().build(input_shape)

        def call(self, inputs: Any, **kwargs: Any) -> Any:
            return self._twin[0](inputs, **kwargs)

        def get_config(self) -> dict[str, Any]:
            return dict(self.config_of_file)

    Placeholder.__name__ = Placeholder.__qualname__ = name
    return Placeholder


def _made(target: type[keras.layers.Layer], config: Any) -> Any:
    return target.from_config({k: v for k, v in config.items() if k != "dtype"})


def _plain_shape(shape: Any) -> Any:
    if hasattr(shape, "as_list"):
        return tuple(shape.as_list())
    if isinstance(shape, list):
        return [_plain_shape(part) for part in shape]
    return shape
