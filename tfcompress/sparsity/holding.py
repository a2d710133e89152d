"""Keep masked weights at exactly zero, whatever an optimizer does.

Two things hold a zero:

1. A constraint on the variable: Keras applies it after every step of every optimizer,
   in the compiled graph, so also between two callbacks (``steps_per_execution``).
2. If the optimizer is known (`Hold.follow`): the average of ``use_ema``, which Keras
   takes before it applies constraints, is masked as well; and where one weight's
   gradient moves others (a clipped norm, statistics of rows, a trust ratio), masked
   weights have none. Elsewhere it moves only their own slots, which nothing reads; they
   are zeroed when a mask is computed, see `tfcompress.sparsity.state`.

Masks select (``where``) and do not multiply: -1.5 times 0 is -0.0, whose bits are not
zero and so compress badly.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

_MARK = "_tfcompress_masked"

# Optimizers that update every weight by its own gradient and slots alone.  Adafactor
# does not, but divides by zero where a row and a column have no gradient at all.
_UNMASKED = (
    keras.optimizers.Adafactor,
    keras.optimizers.SGD,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adamax,
    keras.optimizers.Nadam,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adadelta,
    keras.optimizers.Lion,
    keras.optimizers.Ftrl,
)


class Hold(keras.constraints.Constraint):
    """Sets the weights of one variable to zero where its mask is false.

    It is put on a variable that is there already, so it is never part of a saved
    layer; the masks are saved with the model, which puts it back.

    Args:
        mask: A boolean variable of the same shape, true where a weight stays.
        before: The variable's own constraint, applied first.
        optimizers: Where the followed optimizers are noted; shared by a model's holds.
    """

    def __init__(self, mask: Any, before: Any, optimizers: list[Any]) -> None:
        self.mask, self.before, self._optimizers = mask, before, optimizers

    def __call__(self, w: Any) -> Any:
        """Return the weights with their zeros."""
        value = ops.convert_to_tensor(w)
        return self.masked(value if self.before is None else self.before(value))

    def masked(self, values: Any) -> Any:
        """Return values of the variable's shape, zero where the weights are."""
        zeros = tf.zeros_like(values)  # `Select` is faster than a broadcasting `where`
        return tf.raw_ops.Select(condition=self.mask.value, x=values, y=zeros)

    def follow(self, model: keras.Model) -> None:
        """Mask gradients and averages of the optimizer that `model` is compiled with.

        The optimizer is changed in place, once; its state and file format are not.
        """
        optimizer = getattr(model, "optimizer", None)
        for inner in _inner(optimizer):
            if not any(known() is inner for known in self._optimizers):
                self._optimizers.append(weakref.ref(inner))
            if not hasattr(inner, _MARK):
                setattr(inner, _MARK, True)
                plain = inner._backend_apply_gradients  # noqa: SLF001 - no public hook
                inner._backend_apply_gradients = functools.partial(  # noqa: SLF001
                    _apply, weakref.ref(inner), plain
                )


def slots(optimizer: Any, variable: Any) -> Iterator[Any]:
    """Yield what an optimizer keeps for each weight of a variable.

    Momenta, averages and accumulated gradients lie in lists in the order of the trained
    variables; factored statistics have another shape and are left out.
    """
    if not optimizer.built:
        return
    key = optimizer._var_key(variable)  # noqa: SLF001 - Keras's own steps ask it
    index = optimizer._trainable_variables_indices.get(key)  # noqa: SLF001 - likewise
    count = len(optimizer._trainable_variables)  # noqa: SLF001 - likewise
    for name, found in vars(optimizer).items():
        if index is None or name in ("_trainable_variables", "_variables"):
            continue
        if isinstance(found, list) and len(found) == count:
            slot = found[index]
            if isinstance(slot, keras.Variable) and slot.shape == variable.shape:
                yield slot


def _apply(
    reference: Any, plain: Any, gradients: Sequence[Any], variables: Sequence[Any]
) -> None:
    """Apply masked gradients; stands in for ``_backend_apply_gradients``."""
    optimizer = reference()
    if _mixes(optimizer):
        holds = [_hold(variable) for variable in variables]
        gradients = [
            hold.masked(gradient) if hold and _dense(gradient) else gradient
            for gradient, hold in zip(gradients, holds, strict=True)
        ]
    plain(gradients, variables)
    if not optimizer.use_ema:
        return
    averages = optimizer._model_variables_moving_average  # noqa: SLF001 - no public name
    for variable, average in zip(
        optimizer._trainable_variables,  # noqa: SLF001 - the order of the averages
        averages,
        strict=True,
    ):
        hold = _hold(variable)
        if hold is not None and average is not None:
            average.assign(hold.masked(average.value))


def _hold(variable: Any) -> Hold | None:
    constraint = getattr(variable, "constraint", None)
    return constraint if isinstance(constraint, Hold) else None


def _mixes(optimizer: Any) -> bool:
    """Return whether the gradient of one weight can move another one."""
    clips = optimizer.clipnorm or optimizer.global_clipnorm
    return bool(clips) or type(optimizer) not in _UNMASKED


def _dense(gradient: Any) -> bool:
    """Return whether a gradient is a tensor; embeddings have slices of one."""
    return not hasattr(gradient, "indices")


def _inner(optimizer: Any) -> list[Any]:
    """Return the optimizers that update weights, out of those around them."""
    if optimizer is None:
        return []
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [optimizer] if hasattr(optimizer, "_backend_apply_gradients") else []
