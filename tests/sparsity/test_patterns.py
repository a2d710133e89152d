"""Tests of `tfcompress.sparsity.patterns` and `layouts`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress import errors
from tfcompress.sparsity import patterns
from tfcompress.sparsity.layouts import Layout


def kept(pattern, kernel, sparsity):
    """Return what stays of a matrix [inputs, outputs]."""
    kernel = np.asarray(kernel, "float32")
    mask = patterns.parse(pattern).keep_mask(kernel[None], sparsity)
    return np.asarray(mask)[0].astype(int).tolist()


def test_single_weights_go_by_magnitude():
    """|w| sorted: 0.1, 0.2, 0.5, 3; half of 4 are the first two."""
    assert kept("unstructured", [[0.5, -0.1], [0.2, -3.0]], 0.5) == [[1, 0], [0, 1]]


def test_of_equal_weights_the_first_go():
    assert kept("unstructured", [[1.0, 1.0, 1.0, 1.0]], 0.5) == [[0, 0, 1, 1]]


def test_zeros_go_before_everything_and_the_number_is_exact():
    assert kept("unstructured", [[0.0, 0.0, 0.0, 2.0]], 0.5) == [[0, 0, 1, 1]]


def test_nothing_goes_at_0_and_something_stays_at_nearly_1():
    assert kept("unstructured", [[0.0, 1.0]], 0.0) == [[1, 1]]
    assert kept("unstructured", [[0.5, 1.0]], 0.999) == [[0, 1]]


def test_blocks_go_by_their_mean():
    """1x2: means of |w| are 0.5 and 0.6, although the largest is in the first."""
    assert kept("1x2", [[1.0, 0.0, 0.6, -0.6]], 0.5) == [[0, 0, 1, 1]]
    assert kept("2x1", [[1.0, 0.7], [0.0, 0.7]], 0.5) == [[0, 1], [0, 1]]


def test_a_block_at_the_border_counts_what_it_has():
    """Three outputs in blocks of two: means 0.5 and 0.4; the second is one weight."""
    assert kept("1x2", [[0.5, 0.5, 0.4]], 0.5) == [[1, 1, 0]]
    assert kept("1x2", [[0.5, 0.5, 0.6]], 0.5) == [[0, 0, 1]]


def test_2_of_4_keeps_the_two_largest_of_each_four_inputs():
    kernel = [[0.5], [-0.1], [0.2], [0.3], [1.0], [4.0], [-3.0], [2.0]]
    assert kept("2:4", kernel, 0.5) == [[1], [0], [0], [1], [0], [1], [1], [0]]


def test_2_of_4_by_half_takes_the_group_that_loses_least():
    """The first group would lose 0.3, the second 3."""
    kernel = [[0.5], [-0.1], [0.2], [0.3], [1.0], [4.0], [-3.0], [2.0]]
    assert kept("2:4", kernel, 0.25) == [[1], [0], [0], [1], [1], [1], [1], [1]]


def test_a_group_that_is_cut_short_keeps_at_most_n():
    kernel = [[0.5], [0.1], [0.2], [0.3], [1.0], [2.0], [3.0]]
    assert kept("2:4", kernel, 0.5) == [[1], [0], [0], [1], [0], [1], [1]]


@pytest.mark.parametrize("text", ["", "4", "0x4", "4:4", "4:2", "0:4", "1x4x2", "n:m"])
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(errors.ConfigError, match=r"no such pattern.*2:4"):
        patterns.parse(text)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0, 0.99),
    st.integers(0, 3),
)
def test_numbers_and_order_hold_for_any_kernel(positions, inputs, outputs, share, seed):
    """Exactly round(size * (1 - s)) stay, at least 1, none below one that went."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(positions, inputs, outputs)).astype("float32")
    mask = np.asarray(patterns.Unstructured().keep_mask(kernel, share))
    assert mask.sum() == max(1, round(kernel.size * (1 - share)))
    gone = np.abs(kernel)[~mask]
    assert gone.size == 0 or gone.max() <= np.abs(kernel)[mask].min()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_no_group_of_m_has_more_than_n(inputs, outputs, seed):
    kernel = np.random.default_rng(seed).normal(size=(2, inputs, outputs))
    mask = np.asarray(patterns.NOfM(1, 3).keep_mask(kernel.astype("float32"), 0.9))
    for start in range(0, inputs, 3):
        group = mask[:, start : start + 3].sum(axis=1)
        assert (group == 1).all()


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (keras.layers.Dense(5), (4, 5), (1, 4, 5)),
        (keras.layers.Conv2D(5, 3), (3, 3, 4, 5), (9, 4, 5)),
        (keras.layers.Conv2DTranspose(5, 3), (3, 3, 5, 4), (9, 4, 5)),
        (keras.layers.DepthwiseConv2D(3), (3, 3, 4, 2), (1, 9, 8)),
        (keras.layers.EinsumDense("abc,cde->abde", (2, 3)), (4, 2, 3), (1, 4, 6)),
        (keras.layers.EinsumDense("abcd,cde->abe", 5), (2, 3, 5), (1, 6, 5)),
    ],
)
def test_every_kernel_is_seen_as_positions_inputs_outputs(layer, shape, expected):
    layout = Layout.of(layer, shape)
    values = np.arange(np.prod(shape)).reshape(shape)
    seen = layout.view(values)
    assert tuple(seen.shape) == expected
    np.testing.assert_array_equal(layout.undo(seen, shape), values)


def test_a_transposed_convolution_has_its_inputs_last():
    kernel = np.arange(6).reshape(1, 1, 2, 3)  # 2 outputs, 3 inputs
    seen = Layout.of(keras.layers.Conv2DTranspose(2, 1), kernel.shape).view(kernel)
    np.testing.assert_array_equal(seen[0], kernel[0, 0].T)
