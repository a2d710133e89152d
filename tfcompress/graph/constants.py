"""What a removed channel would have said: its constant, and how exact that is.

The constant of a channel is what the network computes when the channel is switched off
at its source: the kernel of its convolution is zero, so the bias is left; the scale of
its BatchNorm is zero, so β is left (which is also the channel's mean over the training
data). Activations, poolings and sums carry constants on. Removing the channel and
adding ``W·constant`` to its consumers' biases then loses nothing:

1. EXACT: the constant holds at every position.
2. INTERIOR: it holds except near zero-padded borders, where the original saw zeros.
3. LOST: the channel still depends on the data (a gate over a broadcast input, say) or
   varies over positions; its value is taken as 0.

Source: the folding of β is what Liu et al., "Learning Efficient Convolutional Networks
through Network Slimming", ICCV 2017, leave out of their program.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

EXACT, INTERIOR, LOST = 0, 1, 2
LEVEL_NAMES = ("exact", "interior", "lost")

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Constants:
    """The constant of every channel of one tensor, should it be removed.

    Attributes:
        value: One number per position of the channel axis; 0 where it is LOST.
        level: EXACT, INTERIOR or LOST per position.
    """

    value: FloatArray
    level: npt.NDArray[np.uint8]

    @classmethod
    def exact(cls, value: npt.ArrayLike) -> Constants:
        """Return constants that hold everywhere."""
        array = np.asarray(value, np.float64)
        return cls(array, np.zeros(array.shape, np.uint8))

    @classmethod
    def lost(cls, count: int) -> Constants:
        """Return the constants of channels that stay dependent on the data."""
        return cls(np.zeros(count), np.full(count, LOST, np.uint8))

    def take(self, positions: npt.NDArray[np.int64]) -> Constants:
        """Rearrange the channels."""
        return Constants(self.value[positions], self.level[positions])

    def map(self, function: Callable[[FloatArray], FloatArray]) -> Constants:
        """Send the values through an elementwise function."""
        return _checked(np.asarray(function(self.value), np.float64), self.level)

    def padded(self) -> Constants:
        """Return the constants after zeros were padded around them."""
        at_border = np.where(self.value != 0, INTERIOR, EXACT).astype(np.uint8)
        return Constants(self.value, np.maximum(self.level, at_border))

    def times(self, factor: FloatArray, shift: FloatArray | float = 0.0) -> Constants:
        """Scale and shift each channel by its own number."""
        return _checked(self.value * factor + shift, self.level)


def combine(
    function: Callable[..., FloatArray], parts: Sequence[Constants]
) -> Constants:
    """Combine equally long constants element by element; the worst level wins."""
    value = np.asarray(function(*[part.value for part in parts]), np.float64)
    return _checked(value, np.max([part.level for part in parts], axis=0))


def _checked(value: FloatArray, level: npt.NDArray[np.uint8]) -> Constants:
    """Give up the channels whose constant is lost or not a number."""
    lost = (level == LOST) | ~np.isfinite(value)
    return Constants(
        np.where(lost, 0.0, value), np.where(lost, LOST, level).astype(np.uint8)
    )
