"""Fit what whole networks take beyond the sum of their operators.

In a network an operator finds the output of the one before it in a cache, and its
weights not there; the runtime adds a little per operator.  So a prediction is::

    ms = Σ_kind b_kind · (table's ms of that kind) + b_w · MB of weights
         + b_a · MB of activations + b_0

with all b_kind at 1 and the others at 0 as a start.  The fit is a ridge regression
towards that start on some measured random plans, in relative errors: minimise
``Σ ((x_i · b) / y_i − 1)² + λ Σ_j ((b_j − start_j) · mean_i(x_ij / y_i))²``.
The penalty is in shares of the whole time, so no unit matters.

Source: H. Cai et al., "Once-for-All", ICLR 2020, section 3.3 (latency tables); ridge
regression: A. Hoerl and R. Kennard, Technometrics 1970.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tfcompress.latency import families
from tfcompress.latency.families import Family
from tfcompress.latency.lookups import Readings
from tfcompress.latency.table import Correction

FloatArray = npt.NDArray[np.float64]

SUMS = ("pointwise", "convolution", "depthwise", "other")
FEATURES = (*SUMS, "weight_mb", "activation_mb", "one")
START = (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
RIDGE = 0.03
"""λ per measured network: enough to settle what the plans cannot tell apart."""

BYTES = {"float32": 4, "float16": 4, "int8": 1}


def sum_of(family: Family) -> int:
    """Return the place in `SUMS` that a family's time goes to.

    Example:
        >>> SUMS[sum_of(Family(kind="conv", kernel=(3, 3)))]
        'convolution'
    """
    if family.kind == families.CONV:
        return 0 if family.kernel == (1, 1) else 1
    return 2 if family.kind == families.DEPTHWISE else 3


def features(
    readings: Readings, places: npt.NDArray[np.int64], *, item_bytes: int
) -> FloatArray:
    """Return the features of one plan, in the order of `FEATURES`.

    Args:
        readings: Its operators.
        places: `sum_of` each operator.
        item_bytes: Bytes of one weight or activation.
    """
    sums = np.bincount(places, readings.latency_ms, len(SUMS))
    megabytes = item_bytes / 1e6
    moved = [readings.weights.sum() * megabytes, readings.activations.sum() * megabytes]
    found: FloatArray = np.concatenate([sums, moved, [1.0]])
    return found


def fit(rows: Sequence[FloatArray], measured_ms: Sequence[float]) -> Correction:
    """Fit the correction to measured networks.

    Args:
        rows: `features` of each network.
        measured_ms: What each took.

    Example:
        >>> rows = [np.array([a, b, 0, 0, 0, 0, 1.0]) for a, b in [(1, 2), (3, 1)]]
        >>> found = fit(rows, [3.0, 4.0])  # the sums themselves: nothing to correct
        >>> round(found.coefficients["pointwise"], 6), found.median_error < 1e-9
        (1.0, True)
    """
    relative = np.array(rows) / np.asarray(measured_ms, np.float64)[:, None]
    start = np.array(START)
    shares = np.maximum(relative.mean(axis=0), 1e-6)
    penalty = np.diag(np.sqrt(RIDGE * len(rows)) * shares)
    stacked = np.vstack([relative, penalty])
    wanted = np.concatenate([1 - relative @ start, np.zeros(len(start))])
    change, *_ = np.linalg.lstsq(stacked, wanted, rcond=None)
    coefficients = start + change
    errors = np.abs(relative @ coefficients - 1)
    return Correction(
        coefficients=dict(zip(FEATURES, map(float, coefficients), strict=True)),
        networks=len(rows),
        median_error=float(np.median(errors)),
    )
