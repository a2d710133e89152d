"""Weights at the values that a file can hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfcompress.quantize.kernels import Kernel
from tfcompress.quantize.rounding import round_kernel, scales_of

DENSE = Kernel("kernel", (-1,))
DEPTHWISE = Kernel("kernel", (-2, -1))


def test_one_scale_per_output_channel():
    """4 bits: 7 steps on each side; column maxima 0.7 and 1.4."""
    values = np.array([[0.7, -1.4], [0.26, 0.55]])

    rounded = round_kernel(values, DENSE, bits=4)

    np.testing.assert_allclose(rounded, [[0.7, -1.4], [0.3, 0.6]])


def test_one_scale_for_the_whole_kernel():
    """The largest weight sets the step of all: 1.4 / 7 = 0.2."""
    values = np.array([[0.7, -1.4], [0.26, 0.45]])

    rounded = round_kernel(values, DENSE, bits=4, per_channel=False)

    np.testing.assert_allclose(rounded, [[0.8, -1.4], [0.2, 0.4]])


def test_a_depthwise_kernel_has_a_scale_per_channel_and_multiplier():
    kernel = np.ones((3, 3, 2, 2)) * np.array([[1.0, 2.0], [3.0, 4.0]])

    scales = scales_of(kernel, DEPTHWISE, bits=8)

    assert scales.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(scales[0, 0], np.array([[1, 2], [3, 4]]) / 127)


def test_a_channel_of_zeros_stays_zero():
    rounded = round_kernel(np.array([[0.0, 1.0]]), DENSE, bits=8)

    np.testing.assert_array_equal(rounded, [[0.0, 1.0]])


@given(
    hnp.arrays(np.float64, (3, 4), elements=st.floats(-10, 10)), st.sampled_from([4, 8])
)
def test_the_error_is_at_most_half_a_step(values, bits):
    rounded = round_kernel(values, DENSE, bits=bits)

    half = scales_of(values, DENSE, bits=bits) / 2
    assert np.all(np.abs(rounded - values) <= half + 1e-12)
