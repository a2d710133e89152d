"""When the masks are computed anew, and how sparse the weights are then.

A schedule is a callable ``step -> (should_prune, sparsity)``; the step counts training
steps from 0.  Those of tensorflow-model-optimization have this form and work here
unchanged.

::

    s(t) = s_f + (s_i - s_f) * (1 - clip((t - t_b) / (t_e - t_b), 0, 1)) ^ power

Source: M. Zhu and S. Gupta, "To prune, or not to prune", 2017, equation 1.  Where we
differ: the masks are also computed at t_e itself, so that s_f is reached whatever the
frequency is.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tfcompress import errors
from tfcompress.config import Config, require

_FINAL = ("final_sparsity", "target_sparsity")  # where a schedule says its end

Schedule = Callable[[Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolynomialDecay(Config):
    """Sparsity that grows fast at first and then ever more slowly; a `Schedule`."""

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    power: float = 3.0
    frequency: int = 100  # steps between two computations of the masks

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_sparsity("initial_sparsity", self.initial_sparsity)
        check_sparsity("final_sparsity", self.final_sparsity)
        check_steps(self.begin_step, self.end_step, forever=False)
        good = isinstance(self.power, numbers.Real) and self.power > 0
        require(good, "power", self.power, "a number above 0")
        check_whole("frequency", self.frequency, least=1)

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Return whether masks are computed at `step`, and the sparsity there."""
        t = ops.convert_to_tensor(step, "float64")
        length = max(1, self.end_step - self.begin_step)
        done = ops.clip((t - self.begin_step) / length, 0.0, 1.0)
        left = (self.initial_sparsity - self.final_sparsity) * (1 - done) ** self.power
        if self.end_step == self.begin_step:
            left = 0.0 * left
        turn = _turn(step, self.begin_step, self.end_step, self.frequency)
        return _as_given(step, turn, self.final_sparsity + left)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantSparsity(Config):
    """The same sparsity from the first computation of the masks; a `Schedule`."""

    target_sparsity: float
    begin_step: int = 0
    end_step: int = -1  # -1: masks are computed anew as long as training goes on
    frequency: int = 100  # steps between two computations of the masks

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_sparsity("sparsity", self.target_sparsity)
        check_steps(self.begin_step, self.end_step, forever=True)
        check_whole("frequency", self.frequency, least=1)

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Return whether masks are computed at `step`, and the sparsity there."""
        turn = _turn(step, self.begin_step, self.end_step, self.frequency)
        return _as_given(
            step, turn, ops.convert_to_tensor(self.target_sparsity, "float64")
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedMasks(Config):
    """Masks that are never computed anew: the zeros stay where they are.

    Attributes:
        lost: What the schedule was, if it could not be saved with its model.
    """

    lost: str = ""

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Return that nothing is computed."""
        return _as_given(
            step, ops.convert_to_tensor(step, "int64") < 0, ops.cast(0.0, "float64")
        )


def polynomial_decay(
    initial_sparsity: float = 0.0,
    final_sparsity: float = 0.8,
    *,
    begin_step: int = 0,
    end_step: int,
    power: float = 3.0,
    frequency: int = 100,
) -> PolynomialDecay:
    """Return the schedule of Zhu and Gupta.

    Args:
        initial_sparsity: Fraction of zeros at `begin_step`, in [0, 1).
        final_sparsity: Fraction of zeros from `end_step` on, in [0, 1).
        begin_step: Training step, from 0, of the first masks.
        end_step: Training step of the last masks.
        power: Exponent; the paper's is 3.
        frequency: Steps between two computations of the masks.

    Raises:
        ConfigError: If a sparsity is outside [0, 1), a step is no whole number, or it
            ends before it begins.

    Example:
        >>> schedule = polynomial_decay(0.5, 0.8, end_step=1000)
        >>> [round(schedule(step)[1], 6) for step in (0, 500, 1000)]
        [0.5, 0.7625, 0.8]
        >>> schedule(100)[0], schedule(150)[0]
        (True, False)
    """
    return PolynomialDecay(
        initial_sparsity=initial_sparsity,
        final_sparsity=final_sparsity,
        begin_step=begin_step,
        end_step=end_step,
        power=power,
        frequency=frequency,
    )


def constant(
    sparsity: float, *, begin_step: int = 0, end_step: int = -1, frequency: int = 100
) -> ConstantSparsity:
    """Return a schedule of one sparsity.

    Args:
        sparsity: Fraction of zeros, in [0, 1).
        begin_step: Training step, from 0, of the first masks.
        end_step: Training step of the last masks; -1: never.
        frequency: Steps between two computations of the masks.

    Raises:
        ConfigError: If the sparsity is outside [0, 1), a step is no whole number, or it
            ends before it begins.

    Example:
        >>> constant(0.5, begin_step=10)(10)
        (True, 0.5)
    """
    return ConstantSparsity(
        target_sparsity=sparsity,
        begin_step=begin_step,
        end_step=end_step,
        frequency=frequency,
    )


def check_sparsity(name: str, value: float) -> None:
    """Refuse a fraction of zeros outside [0, 1)."""
    good = isinstance(value, numbers.Real) and 0 <= value < 1
    require(good, name, value, "a fraction of zeros in [0, 1)")


def check_whole(name: str, value: int, *, least: int) -> None:
    """Refuse what is no whole number, or is below `least`."""
    good = isinstance(value, numbers.Integral) and value >= least
    require(good, name, value, f"a whole number, {least} or more")


def check_steps(begin_step: int, end_step: int, *, forever: bool) -> None:
    """Refuse a schedule that ends before it begins."""
    check_whole("begin_step", begin_step, least=0)
    check_whole("end_step", end_step, least=-1 if forever else 0)
    if not (forever and end_step == -1):
        expected = f"begin_step={begin_step} or more: it ends before it begins"
        require(end_step >= begin_step, "end_step", end_step, expected)


def final_sparsity(schedule: Any) -> float | None:
    """Return the sparsity at the end, if the schedule says it; TFMOT's do."""
    for name in _FINAL:
        if hasattr(schedule, name):
            return float(getattr(schedule, name))
    return None


def last_step(schedule: Any) -> int | None:
    """Return the step of the last masks, if the schedule says it."""
    end: int | None = getattr(schedule, "end_step", None)
    if end is None:
        return None
    begin: int = getattr(schedule, "begin_step", 0)
    return int(begin if end < 0 else end)


def serialize(schedule: Any) -> dict[str, Any]:
    """Return a schedule as JSON values; TFMOT's become ours with the same numbers.

    One of another kind is saved if Keras can serialize it; else only its name is, and
    the loaded masks stay as they are until `resume` gives a schedule again.
    """
    own = _KINDS.get(type(schedule).__name__)
    if own is not None:
        names = [field.name for field in dataclasses.fields(own)]
        settings = {n: getattr(schedule, n) for n in names if hasattr(schedule, n)}
        return {"kind": type(schedule).__name__, **own(**settings).to_dict()}
    if hasattr(schedule, "get_config") and keras.saving.get_registered_name(
        type(schedule)
    ) != getattr(type(schedule), "__name__", ""):
        return {
            "kind": "custom",
            "custom": keras.saving.serialize_keras_object(schedule),
        }
    name = getattr(schedule, "__name__", type(schedule).__name__)
    return {"kind": "FixedMasks", "lost": name}


def deserialize(values: dict[str, Any]) -> Schedule:
    """Return the schedule that `serialize` has described."""
    values = dict(values)
    kind = values.pop("kind")
    if kind == "custom":
        found: Schedule = keras.saving.deserialize_keras_object(values["custom"])
        return found
    own: Schedule = _KINDS[kind].from_dict(values)
    return own


def check(schedule: Any) -> None:
    """Refuse what is no schedule, before any training.

    Raises:
        ConfigError: If it cannot be called with a step, says what is no number, or
            ends before it begins.
    """
    end = getattr(schedule, "end_step", None)
    begin = getattr(schedule, "begin_step", 0)
    check_steps(begin, -1 if end is None else end, forever=True)
    for name in _FINAL:
        if hasattr(schedule, name):
            check_sparsity(name, getattr(schedule, name))
    try:
        _, sparsity = schedule(ops.cast(0, "int64"))
        value = float(ops.convert_to_numpy(sparsity))
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(
            f"This is no schedule. Received: {schedule!r} ({error}). Pass a callable "
            "step -> (should_prune, sparsity), such as "
            "sparsity.polynomial_decay(0.5, 0.8, end_step=1000)."
        ) from error
    check_sparsity("sparsity", value)


def _turn(step: Any, begin: int, end: int, frequency: int) -> Any:
    t = ops.cast(step, "int64")
    started = ops.logical_and(t >= begin, ops.equal((t - begin) % frequency, 0))
    if end < 0:
        return started
    return ops.logical_or(ops.logical_and(started, t <= end), ops.equal(t, end))


def _as_given(step: Any, turn: Any, sparsity: Any) -> tuple[Any, Any]:
    """Return plain numbers for a plain step."""
    if isinstance(step, numbers.Integral):
        return bool(turn), float(sparsity)
    return turn, sparsity


_KINDS: dict[str, Any] = {
    "PolynomialDecay": PolynomialDecay,
    "ConstantSparsity": ConstantSparsity,
    "FixedMasks": FixedMasks,
}
