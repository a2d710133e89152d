"""How close one signal is to another: the signal-to-noise ratio in dB.

``SNR = 10 log10(sum(reference^2) / sum((other - reference)^2))``: 20 dB is an error of
10 % of the signal, 40 dB of 1 %.  `SignalQuality` adds up over batches, so a whole
evaluation set streams through it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CEILING_DB = 200.0
"""Reported for equal signals, whose ratio is infinite; JSON has no infinity."""


class SignalQuality:
    """Power of a reference and of the deviation from it, summed over batches.

    Example:
        >>> quality = SignalQuality()
        >>> quality.add(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
        >>> quality.snr_db
        20.0
    """

    def __init__(self) -> None:
        self.signal = 0.0
        self.noise = 0.0

    def add(self, reference: Array, other: Array) -> None:
        """Count one pair of arrays of equal shape."""
        exact = np.asarray(reference, np.float64)
        self.signal += float(np.square(exact).sum())
        self.noise += float(np.square(np.asarray(other, np.float64) - exact).sum())

    @property
    def noise_to_signal(self) -> float:
        """Power of the deviation over that of the reference."""
        if not self.signal:
            return 0.0 if not self.noise else math.inf
        return self.noise / self.signal

    @property
    def snr_db(self) -> float:
        """The ratio in dB, within plus and minus `CEILING_DB`."""
        ratio = self.noise_to_signal
        if math.isnan(ratio):
            return -CEILING_DB
        if ratio == 0:
            return CEILING_DB
        if math.isinf(ratio):
            return -CEILING_DB
        return max(-CEILING_DB, min(CEILING_DB, -10 * math.log10(ratio)))


def snr_db(reference: Array, other: Array) -> float:
    """Return the signal-to-noise ratio of two arrays of equal shape, in dB."""
    quality = SignalQuality()
    quality.add(reference, other)
    return quality.snr_db
