"""Callbacks that stop the learning of statistics at a step of the training.

They take effect in the compiled train step, so they hold at any
``steps_per_execution``; they only tell the layers which step, and let the train step be
compiled anew.

What is frozen is frozen for a ``fit``, not for good: nothing of it is left on the model
when the fit ends, nor is it saved.  The step is the optimizer's, so a later fit with
the same callback and optimizer, or one that goes on from a file, is frozen from its
first batch if the step is over; one without the callback learns again.

Source: R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient
inference", 2018, section 3.2.3; B. Jacob et al., CVPR 2018, section 3.1.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any

import keras

from tfcompress.config import require
from tfcompress.quantize.activation_ranges import FakeQuantize
from tfcompress.quantize.clocks import Clock
from tfcompress.quantize.folded_layers import FoldedBatchNormalization
from tfcompress.quantize.normalization import FreezableBatchNormalization


class _Freeze(keras.callbacks.Callback, abc.ABC):
    """Sets the clock of some layers while a training runs.

    Args:
        at_step: The first step, counted by the optimizer from 0, with the statistics
            frozen; 0 freezes them from the start.

    Raises:
        ConfigError: If `at_step` is negative.
    """

    def __init__(self, at_step: int) -> None:
        super().__init__()
        require(at_step >= 0, "at_step", at_step, "0 or more")
        self.at_step = int(at_step)

    @abc.abstractmethod
    def layers_of(self, model: keras.Model) -> Iterator[Any]:
        """Yield the layers whose clock is set."""

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Tell the layers the step."""
        self._set(Clock(self.model.optimizer, self.at_step))

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Let the next training learn, unless it is told otherwise."""
        self._set(None)

    def _set(self, clock: Clock | None) -> None:
        """Give the layers a clock, and have the train step compiled with it."""
        for layer in self.layers_of(self.model):
            layer.clock = clock
        self.model.make_train_function(force=True)


class FreezeBatchNorm(_Freeze):
    """Normalise by the moving statistics, which stay as they are, from a step on.

    Use it for the last fifth or so of a quantization-aware training. It holds for the
    fit that it is passed to, and has to be passed again to one that goes on.

    Args:
        at_step: The first step, counted by the optimizer from 0, that is frozen; 0
            freezes from the start. With ``gradient_accumulation_steps`` a step is an
            update of the weights, as in the optimizer's ``iterations``.

    Raises:
        ConfigError: If `at_step` is negative.

    Example:
        >>> FreezeBatchNorm(at_step=1_000).at_step
        1000
    """

    def layers_of(self, model: keras.Model) -> Iterator[Any]:
        """Yield the normalizations."""
        kinds = (FreezableBatchNormalization, FoldedBatchNormalization)
        yield from (layer for layer in _layers(model) if isinstance(layer, kinds))


class FreezeRanges(_Freeze):
    """Keep the activation ranges as they are from a step on.

    It holds for the fit that it is passed to, and has to be passed again to one that
    goes on.

    Args:
        at_step: The first step, counted as for `FreezeBatchNorm`, that is frozen.

    Raises:
        ConfigError: If `at_step` is negative.
    """

    def layers_of(self, model: keras.Model) -> Iterator[Any]:
        """Yield the layers with ranges."""
        yield from (one for one in _layers(model) if isinstance(one, FakeQuantize))


def _layers(model: keras.Model) -> Any:
    return model._flatten_layers()  # noqa: SLF001 - no public walk over nested layers
