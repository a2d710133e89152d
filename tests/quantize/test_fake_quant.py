"""The two roundings, against numbers worked out by hand."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from tfcompress.quantize import fake_quant


def test_weights_are_rounded_to_127_steps_of_their_channels_largest():
    """Scale 1.27 / 127 = 0.01 in the first channel, 12.7 / 127 = 0.1 in the second."""
    kernel = tf.constant([[1.27, 12.7], [-0.014, 0.26], [0.016, -0.24]])
    rounded = fake_quant.weights(kernel, bits=8, axes=(-1,))
    wanted = [[1.27, 12.7], [-0.01, 0.3], [0.02, -0.2]]
    np.testing.assert_allclose(rounded, wanted, rtol=1e-6)


def test_one_scale_for_the_kernel():
    """With the largest of all, 12.7, small weights vanish."""
    kernel = tf.constant([[1.27, 12.7], [-0.014, 0.26]])
    rounded = fake_quant.weights(kernel, bits=8, axes=None)
    np.testing.assert_allclose(rounded, [[1.3, 12.7], [0.0, 0.3]], rtol=1e-6)


def test_four_bits_have_fifteen_levels():
    """-7 to 7 times 7 / 7."""
    kernel = tf.linspace(-7.0, 7.0, 1001)[:, None]
    rounded = fake_quant.weights(kernel, bits=4, axes=(-1,))
    assert sorted(set(np.ravel(rounded))) == list(range(-7, 8))


@hypothesis.given(seed=st.integers(0, 2**16), bits=st.sampled_from([4, 8]))
@hypothesis.settings(max_examples=30, deadline=None)
def test_a_factor_per_channel_passes_through(seed, bits):
    """FQ(s w) = s FQ(w) for any sign: why BatchNorm may fold after the training."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(3, 3, 2, 4)).astype("float32")
    factors = (rng.uniform(0.1, 3, 4) * rng.choice([-1, 1], 4)).astype("float32")
    early = fake_quant.weights(tf.constant(kernel * factors), bits=bits, axes=(-1,))
    late = fake_quant.weights(tf.constant(kernel), bits=bits, axes=(-1,)) * factors
    steps = np.abs(kernel * factors).max((0, 1, 2)) / (2 ** (bits - 1) - 1)
    same = np.isclose(early, late, atol=1e-6)
    ties = np.isclose(np.abs(early - late), np.broadcast_to(steps, same.shape), 1e-4)
    assert (same | ties).all()
    assert same.mean() > 0.95


@hypothesis.given(seed=st.integers(0, 2**16))
@hypothesis.settings(max_examples=30, deadline=None)
def test_the_error_is_at_most_half_a_step(seed):
    """And zeros stay zeros, so a sparse kernel stays sparse."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(5, 6)).astype("float32")
    kernel[rng.random(kernel.shape) < 0.3] = 0.0
    scales = fake_quant.weight_scales(tf.constant(kernel), bits=8, axes=(-1,))
    rounded = fake_quant.weights(tf.constant(kernel), bits=8, axes=(-1,)).numpy()
    assert (np.abs(rounded - kernel) <= scales.numpy() / 2 * 1.0001).all()
    assert (rounded[kernel == 0] == 0).all()


def test_a_kernel_of_zeros_stays_zero():
    """No division by nothing."""
    rounded = fake_quant.weights(tf.zeros((3, 2)), bits=8, axes=(-1,))
    np.testing.assert_array_equal(rounded, np.zeros((3, 2)))


def test_weights_pass_gradients_straight():
    """All of them: nothing is clipped."""
    kernel = tf.Variable([[1.27], [0.4], [-0.014]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            fake_quant.weights(kernel, bits=8, axes=(-1,)) * [[1.0], [2.0], [3.0]]
        )
    np.testing.assert_array_equal(tape.gradient(loss, kernel), [[1.0], [2.0], [3.0]])


def test_activations_use_256_levels_with_an_exact_zero():
    """[-1, 1.55]: steps of 0.01, zero point 100; the ends clip."""
    x = tf.constant([-3.0, -1.0, 0.0, 0.0149, 0.0151, 1.55, 9.0])
    rounded = fake_quant.activations(x, -1.0, 1.55)
    wanted = [-1.0, -1.0, 0.0, 0.01, 0.02, 1.55, 1.55]
    np.testing.assert_allclose(rounded, wanted, atol=1e-6)
    assert rounded[2] == 0.0


@pytest.mark.parametrize("function", ["activations", "rectified", "symmetric"])
def test_the_gradient_is_the_mask_of_what_was_not_clipped(function):
    """1 inside of the range, 0 outside."""
    x = tf.constant([-5.0, -0.5, 0.5, 1.5, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        if function == "rectified":
            y = fake_quant.rectified(x, tf.constant(2.0))
        else:
            y = getattr(fake_quant, function)(x, tf.constant(-1.0), tf.constant(2.0))
    gradient = tape.gradient(y, x).numpy().tolist()
    low = 0.0 if function == "rectified" else 1.0
    assert gradient == [0.0, low, 1.0, 1.0, 0.0]


def test_rectified_is_the_quantized_relu():
    """One kernel for both."""
    x = tf.random.stateless_normal((1000,), (1, 2)) * 2
    both = fake_quant.activations(tf.nn.relu(x), 0.0, 3.0)
    np.testing.assert_array_equal(fake_quant.rectified(x, 3.0), both)


def test_sixteen_bits_are_symmetric():
    """[-1, 2] becomes [-2, 2] with steps of 2 / 32767."""
    rounded = fake_quant.symmetric(tf.constant([1.0, -3.0]), -1.0, 2.0)
    step = 2 / 32767
    np.testing.assert_allclose(rounded, [round(1 / step) * step, -2.0], rtol=1e-6)
