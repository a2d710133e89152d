import numpy as np
import pytest

from tfcompress.tflite.signal_quality import CEILING_DB, SignalQuality, snr_db


def test_a_tenth_of_the_signal_is_20_db():
    """Power of the error is a hundredth: 10 log10(100)."""
    assert snr_db(np.full(5, 10.0), np.full(5, 11.0)) == pytest.approx(20.0)


def test_batches_add_up_to_the_whole(rng):
    """Streamed in pieces it is the same figure."""
    a, b = rng.normal(size=(2, 30))
    quality = SignalQuality()
    for i in range(0, 30, 7):
        quality.add(a[i : i + 7], b[i : i + 7])
    assert quality.snr_db == pytest.approx(snr_db(a, b))


@pytest.mark.parametrize(
    ("reference", "other", "expected"),
    [
        ([1.0], [1.0], CEILING_DB),
        ([0.0], [0.0], CEILING_DB),
        ([0.0], [1.0], -CEILING_DB),
        ([1.0], [float("nan")], -CEILING_DB),
        ([1.0], [float("inf")], -CEILING_DB),
    ],
)
def test_no_infinity_gets_out(reference, other, expected):
    """JSON has no infinity: equal and useless signals have a number too."""
    assert snr_db(np.array(reference), np.array(other)) == expected
