"""Tests of `tflite.convert(..., sparse=True)`: smaller, equal, or refused."""

from __future__ import annotations

import gzip

import keras
import numpy as np
import pytest

from tests import models
from tfcompress import errors, tflite
from tfcompress.tflite import sparse_encoding
from tfcompress.tflite.sparse_encoding import LatencyComparison


def with_zeros(model, share=0.8, block=1, rank=4):
    """Set the smallest weights of kernels of a rank to zero, by blocks of inputs."""
    for layer in model.layers:
        if len(getattr(getattr(layer, "kernel", None), "shape", ())) != rank:
            continue
        kernel = layer.kernel.numpy()
        flat = kernel.reshape(-1, kernel.shape[-1])
        sums = np.abs(flat).reshape(-1, block, flat.shape[1]).sum(axis=1)
        keep = np.repeat(sums > np.quantile(sums, share), block, axis=0)
        layer.kernel.assign(np.where(keep, flat, 0).reshape(kernel.shape))
    return model


@pytest.fixture(scope="module")
def sparse_net():
    return with_zeros(
        models.randomise(models.conv_bn_net(widths=(16, 32, 32), logits=True))
    )


@pytest.fixture(scope="module")
def both(sparse_net):
    """Return the conversions with dense and with sparse tensors."""
    return [tflite.convert(sparse_net, sparse=sparse) for sparse in (False, True)]


@pytest.fixture(scope="module")
def dense_layers():
    x = inputs = keras.Input((64,), name="numbers")
    for _ in range(2):
        x = keras.layers.Dense(128, activation="relu")(x)
    return with_zeros(
        models.randomise(keras.Model(inputs, keras.layers.Dense(8)(x))),
        block=16,
        rank=2,
    )


def test_zeros_are_left_out_and_the_answers_are_the_same(both, images):
    plain, sparse = both
    found = sparse.sparse
    assert plain.sparse is None
    assert found.tensors >= 3
    assert found.dense_bytes == len(plain.content)
    assert found.encoded_bytes == len(sparse.content) < 0.5 * found.dense_bytes
    assert found.encoded_gzip_bytes == len(gzip.compress(sparse.content, mtime=0))
    np.testing.assert_allclose(
        tflite.Runner(sparse.content)(images),
        tflite.Runner(plain.content)(images),
        rtol=1e-4,
        atol=1e-4,
    )
    assert sparse.to_dict()["sparse"] == found.to_dict()
    assert f"{found.encoded_bytes:,} encoded" in str(found)


@pytest.mark.slow
def test_a_model_without_zeros_has_nothing_to_encode(net):
    assert tflite.convert(net, sparse=True).sparse.tensors == 0


@pytest.mark.slow
def test_a_file_that_does_not_load_is_refused_in_a_line(sparse_net):
    """Dynamic-range kernels take no sparse weights in this runtime."""
    with pytest.raises(errors.ConversionError, match="does not load") as caught:
        tflite.convert(sparse_net, "dynamic_int8", sparse=True)
    assert "\n" not in str(caught.value)
    assert "Convert without `sparse`" in str(caught.value)


def test_a_file_that_answers_differently_is_refused(both, converted):
    other = converted("float32").content
    with pytest.raises(errors.ConversionError, match=r"agree .* dB only"):
        sparse_encoding.check(both[0].content, other)


@pytest.mark.slow
def test_nan_is_refused(dense_layers):
    """Blocks in a float16 file give NaN in this runtime."""
    with pytest.raises(errors.ConversionError, match="not finite"):
        tflite.convert(dense_layers, "float16", sparse=True)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["float16", "int8"])
def test_other_recipes(sparse_net, images, recipe):
    """The calibration data, a generator here, are read twice."""
    found = tflite.convert(
        sparse_net, recipe, calibration=(part for part in [images]), sparse=True
    )
    assert found.sparse.encoded_bytes < found.sparse.dense_bytes
    assert found.sparse.tensors >= 3


def test_latency_is_measured_in_turns(both):
    plain, sparse = both
    found = sparse_encoding.compare_latency(plain.content, sparse.content, rounds=6)
    assert found.rounds == 6
    assert found.dense_ms > 0
    assert found.to_dict()["sentence"] == found.sentence


@pytest.mark.parametrize(
    ("ratio", "quartiles", "expected"),
    [
        (1.5, (1.4, 1.6), "ran 1.50 times slower than the dense one"),
        (0.5, (0.4, 0.6), "ran 2.00 times as fast as the dense one"),
        (0.9, (0.7, 1.2), "ran as fast as the dense one"),
        (1.02, (1.01, 1.03), "ran as fast as the dense one"),
    ],
)
def test_the_sentence_says_what_was_measured(ratio, quartiles, expected):
    found = LatencyComparison(
        dense_ms=1.0,
        encoded_ms=ratio,
        ratio=ratio,
        quartiles=quartiles,
        rounds=9,
        num_threads=1,
    )
    assert expected in found.sentence
    assert "nothing of a phone" in found.sentence
