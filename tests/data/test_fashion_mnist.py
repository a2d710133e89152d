import gzip
import lzma
import pathlib

import keras
import numpy as np
import pytest

from tfcompress import data, errors
from tfcompress.data import fashion_mnist

PACKAGE = pathlib.Path(fashion_mnist.__file__).parent
DEBIAN = pathlib.Path("/usr/share/datasets/fashion-mnist")
needs_full_set = pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)


@pytest.fixture(scope="module")
def small():
    return data.load("fashion-mnist-small")


def test_sizes_and_task(small):
    assert small.sizes == {"train": 16_200, "validation": 1_800, "test": 5_000}
    assert small.input_shapes == ((28, 28, 1),)
    assert small.task.kind == "classification"
    assert small.class_names[5] == "Sandal"
    x, y = next(iter(small.test(20)))
    assert (float(x.numpy().min()), float(x.numpy().max())) == (0.0, 1.0)
    assert y.numpy().tolist() == [*range(10)] * 2


def test_embedded_files_are_small_and_licensed():
    files = list((PACKAGE / "embedded").iterdir())
    assert sum(file.stat().st_size for file in files) <= 9_000_000
    notice = (PACKAGE / "embedded" / "LICENSE-fashion-mnist").read_text("utf-8")
    assert "Zalando" in notice
    assert "Permission is hereby granted" in notice


@pytest.mark.slow
@needs_full_set
def test_embedded_part_is_the_head_of_each_class():
    packed = (PACKAGE / "embedded" / "fashion-mnist-small.xz").read_bytes()
    content = np.frombuffer(lzma.decompress(packed), np.uint8).reshape(-1, 28, 28)
    read = fashion_mnist._unpack(DEBIAN)
    start = 0
    for part, count in (("train", 1800), ("test", 500)):
        images, labels = read[part]
        for index in range(10):
            expected = images[labels == index][:count]
            np.testing.assert_array_equal(content[start : start + count], expected)
            start += count
    assert start == len(content)


@pytest.mark.slow
@needs_full_set
def test_full_set_from_debian(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    found = data.load("fashion-mnist", validation_fraction=0.2)
    assert found.sizes == {"train": 48_000, "validation": 12_000, "test": 10_000}
    labels = np.concatenate([y for _, y in found.validation(4000)])
    assert np.bincount(labels).tolist() == [1200] * 10


@pytest.mark.slow
@needs_full_set
def test_the_cache_comes_first_and_damage_is_noticed(monkeypatch, tmp_path):
    folder = tmp_path / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for file in DEBIAN.glob("*.gz"):
        (folder / file.name).symlink_to(file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    labels.unlink()
    labels.write_bytes(gzip.compress(b"not labels"))
    with pytest.raises(errors.DataError, match=r"damaged.*SHA-256"):
        data.load("fashion-mnist")
    labels.write_bytes(b"\x1f\x8bcut off")
    with pytest.raises(errors.DataError, match="damaged"):
        data.load("fashion-mnist")


def test_nothing_there_and_no_network(monkeypatch, tmp_path):
    def refuse():
        raise OSError("network is unreachable")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", tmp_path)
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", refuse)
    with pytest.raises(errors.DataError, match=r"unreachable.*fashion-mnist-small"):
        data.load("fashion-mnist")
