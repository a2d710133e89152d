"""Examples are named by their content."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcompress.distill.example_keys import example_keys


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "uint8", "int64", "bool"]
)
def test_keys_follow_the_examples(dtype, rng):
    """Any order and batch size gives an example the same key; others get others."""
    x = rng.integers(0, 2, (3000, 3, 5)).astype(dtype)
    x = np.unique(x.reshape(3000, -1), axis=0).reshape(-1, 3, 5)
    keys = example_keys(tf.constant(x)).numpy()
    assert len(np.unique(keys)) == len(x)
    order = rng.permutation(len(x))
    np.testing.assert_array_equal(example_keys(tf.constant(x[order])), keys[order])
    np.testing.assert_array_equal(example_keys(tf.constant(x[:7])), keys[:7])


def test_one_bit_makes_a_difference(rng):
    """A change of the last bit of one number changes the key."""
    x = rng.normal(size=(1, 50)).astype("float32")
    y = x.copy()
    y[0, 17] = np.nextafter(y[0, 17], np.float32(9))
    assert example_keys(tf.constant(x))[0] != example_keys(tf.constant(y))[0]


def test_several_inputs_have_places():
    """The same arrays at other inputs are another example; strings count."""
    a, b = tf.constant([[1.0]]), tf.constant([[2.0]])
    keys = {int(example_keys(pair)[0]) for pair in ((a, b), (b, a))}
    keys |= {int(example_keys(tf.constant([[text]]))[0]) for text in ("a", "b")}
    assert len(keys) == 4
