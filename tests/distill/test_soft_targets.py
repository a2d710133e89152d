"""The store of a teacher's outputs is right or refuses."""

from __future__ import annotations

import collections
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import conv_bn_net, randomise
from tests.training.networks import blob_arrays
from tfcompress import data, distill, errors
from tfcompress.distill import soft_targets


@pytest.fixture(scope="module")
def teacher():
    return randomise(conv_bn_net((8, 8, 3), widths=(4, 8), classes=4))


@pytest.fixture
def arrays():
    return blob_arrays(50)


@pytest.fixture
def store(teacher, arrays, tmp_path):
    return distill.cache_soft_targets(teacher, stream(*arrays), path=tmp_path / "soft")


def stream(x, y, batch=16):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)


def test_any_order_gives_each_example_its_own(teacher, arrays, store, rng):
    """Shuffled, in other batches, a part only: softmax of the row is the output."""
    x, y = arrays
    assert len(store) == 50
    assert store.outputs == ("softmax",)
    order = rng.permutation(50)[:41]
    seen = 0
    for inputs, labels in store.attach(stream(x[order], y[order], batch=7)):
        (logits,) = labels["soft_targets"]
        np.testing.assert_allclose(
            keras.ops.softmax(logits), teacher(inputs), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(
            labels["labels"], y[order][seen : seen + len(logits)]
        )
        seen += len(logits)
    assert seen == 41


def test_sample_weights_pass_through(arrays, store):
    """The third member stays the third."""
    x, y = arrays
    weights = np.arange(50, dtype="float32")
    batches = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(50)
    *_, found = next(iter(store.attach(batches)))
    np.testing.assert_array_equal(found, weights)


def test_changed_data_are_an_error(arrays, store):
    """One changed number of one example is enough."""
    x, y = arrays
    x = x.copy()
    x[33, 2, 2, 1] += 1e-6
    with pytest.raises(tf.errors.InvalidArgumentError, match="1 of 16 examples"):
        list(store.attach(stream(x, y)))


def test_augmented_data_cannot_be_stored(teacher, arrays, tmp_path):
    """The passes disagree; no store is left behind."""
    random = np.random.default_rng(0)  # goes on from pass to pass

    def noise(x):
        return x + random.normal(size=x.shape).astype("float32")

    noisy = stream(*arrays).map(
        lambda x, y: (
            tf.ensure_shape(tf.numpy_function(noise, [x], x.dtype), x.shape),
            y,
        )
    )
    with pytest.raises(errors.DataError, match="change from pass to pass"):
        distill.cache_soft_targets(teacher, noisy, path=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(errors.DataError, match="no such file"):
        distill.SoftTargets(tmp_path)


def test_the_same_store_is_used_again(teacher, arrays, store, monkeypatch):
    """Also for a shuffled stream; another teacher or data set makes a new one."""
    x, y = arrays
    passes = collections.Counter()
    real = soft_targets._passes

    def counting(*arguments):
        passes["teacher"] += 1
        return real(*arguments)

    monkeypatch.setattr(soft_targets, "_passes", counting)
    shuffled = stream(x[::-1], y[::-1])
    distill.cache_soft_targets(teacher, shuffled, path=store.path)
    assert passes["teacher"] == 0
    distill.cache_soft_targets(teacher, stream(x[:40], y[:40]), path=store.path)
    assert passes["teacher"] == 1
    other = randomise(keras.models.clone_model(teacher), seed=5)
    found = distill.cache_soft_targets(other, stream(x[:40], y[:40]), path=store.path)
    assert passes["teacher"] == 2
    logits = next(iter(found.attach(stream(x[:8], y[:8]))))[1]["soft_targets"][0]
    np.testing.assert_allclose(
        keras.ops.softmax(logits), other(x[:8]), rtol=1e-4, atol=1e-5
    )


def test_a_data_set_and_half_precision(teacher, arrays, tmp_path):
    """A `Dataset` gives its training part; float16 takes half the room."""
    dataset = data.Dataset.from_arrays(train=arrays)
    done = []
    store = distill.cache_soft_targets(
        teacher,
        dataset,
        path=tmp_path,
        dtype="float16",
        batch_size=8,
        progress=lambda count, total: done.append((count, total)),
    )
    size = dataset.sizes["train"]
    assert len(store) == size
    assert done[-1] == (size, size)
    assert np.load(tmp_path / "logits_0.npy", mmap_mode="r").dtype == np.float16
    list(store.attach(dataset.train(16, seed=3, epoch=2)))


def test_a_full_disk_is_refused_before_writing(teacher, arrays, tmp_path, monkeypatch):
    """The message says how much is needed and free."""
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 50, 50))
    with pytest.raises(errors.OutputError, match=r"no room.*0 MB are free"):
        distill.cache_soft_targets(teacher, stream(*arrays), path=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_refused_write_is_one_clear_error(teacher, arrays, tmp_path, monkeypatch):
    """No permission, or the disk fills while writing."""

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", refuse)
    with pytest.raises(errors.OutputError, match="No space left on device"):
        distill.cache_soft_targets(teacher, stream(*arrays), path=tmp_path / "new")


def test_a_damaged_store_is_named(store):
    """And computed again by the next call."""
    (store.path / "logits_0.npy").write_bytes(b"half")
    with pytest.raises(errors.DataError, match="damaged"):
        distill.SoftTargets(store.path)


def test_no_examples(teacher, tmp_path):
    """An empty stream is refused."""
    x, y = blob_arrays(4)
    with pytest.raises(errors.DataError, match="0 examples"):
        distill.cache_soft_targets(teacher, stream(x, y).take(0), path=tmp_path)


def test_outputs_without_a_size_are_refused(tmp_path):
    """A fully convolutional teacher of any image size cannot be stored."""
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs))
    with pytest.raises(errors.ModelError, match="no fixed size"):
        distill.cache_soft_targets(model, stream(*blob_arrays(4)), path=tmp_path)
