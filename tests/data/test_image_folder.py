import logging
import os

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from PIL import Image

from tfcompress import data, errors

CLASSES = ("cat", "dog")


def fill(folder, counts, size=(6, 8), mode="RGB", first=0):
    """Write images whose brightness is 40 x class + their number."""
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + count):
            image = Image.new("L", size[::-1], 40 * label + i).convert(mode)
            image.save(folder / name / f"{i:03}.png")


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / "pets", {"cat": 20, "dog": 10})
    return tmp_path / "pets"


def brightness(stream):
    return np.concatenate([np.asarray(x)[:, 0, 0, 0] for x, *_ in stream]).tolist()


def test_class_folders_are_split_stratified(root):
    found = data.load(str(root))
    assert found.name == "pets"
    assert found.class_names == CLASSES
    assert found.sizes == {"train": 24, "validation": 3, "test": 3}
    y = np.concatenate([y for _, y in found.test(8)])
    assert np.bincount(y).tolist() == [2, 1]
    everything = [*found.train(8), *found.validation(8), *found.test(8)]
    assert sorted(brightness(everything)) == sorted([*range(20), *range(40, 50)])


def test_labels_belong_to_their_images(root):
    for x, y in data.load(str(root)).train(7, seed=3, epoch=1):
        np.testing.assert_array_equal(x[:, 0, 0, 0] >= 40, y == 1)


def test_train_val_test(tmp_path):
    for part, first in (("train", 0), ("val", 20), ("test", 30)):
        fill(tmp_path / part, {"cat": 5, "dog": 5}, first=first)
    found = data.load(str(tmp_path))
    assert found.sizes == {"train": 10, "validation": 10, "test": 10}
    assert min(brightness(found.validation(4))) == 20
    assert min(brightness(found.test(4))) == 30


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_without_one_part_validation_is_held_out_of_training(tmp_path, name):
    fill(tmp_path / "train", {"cat": 10, "dog": 10})
    fill(tmp_path / name, {"cat": 3, "dog": 3}, first=30)
    found = data.load(str(tmp_path))
    assert found.sizes == {"train": 18, "validation": 2, "test": 6}
    assert min(brightness(found.test(4))) == 30


def test_order_is_a_function_of_seed_and_epoch(root):
    found, again = data.load(str(root)), data.load(str(root))
    first = brightness(found.train(5, seed=1, epoch=2))
    assert first == brightness(again.train(9, seed=1, epoch=2))
    assert first != brightness(found.train(5, seed=1, epoch=3))


def test_mixed_sizes_and_modes_come_out_equal(tmp_path):
    for name, mode in (("cat", "RGB"), ("dog", "RGBA"), ("fox", "L")):
        fill(tmp_path, {name: 4}, size=(5 + len(mode), 9), mode=mode)
    found = data.load(str(tmp_path), image_size=(4, 6))
    assert found.input_shapes == ((4, 6, 3),)
    assert all(x.shape[1:] == (4, 6, 3) for x, _ in found.train(2))


def test_mixed_sizes_need_an_image_size(tmp_path):
    fill(tmp_path, {"cat": 4}, size=(5, 5))
    fill(tmp_path, {"dog": 4}, size=(6, 5))
    with pytest.raises(errors.DataError, match=r"different sizes.*--image-size"):
        data.load(str(tmp_path)).train(2)


def test_size_and_channels_of_a_model(tmp_path):
    fill(tmp_path, {"cat": 4}, size=(5, 5))
    fill(tmp_path, {"dog": 4}, size=(6, 5))
    model = keras.Sequential([keras.Input((8, 7, 1)), keras.layers.Flatten()])
    found = data.sized_for(data.load(str(tmp_path)), model)
    assert found.input_shapes == ((8, 7, 1),)
    stated = data.sized_for(data.load(str(tmp_path), image_size=3), model)
    assert stated.input_shapes == ((3, 3, 1),)


def test_broken_images_are_left_out_and_named(root, caplog):
    (root / "cat" / "broken.jpg").write_bytes(b"no image")
    (root / "cat" / "notes.txt").write_text("not meant to be one")
    with caplog.at_level(logging.WARNING):
        found = data.load(str(root))
    assert sum(found.sizes.values()) == 30
    assert len(found.notes) == 1
    assert "broken.jpg: no image" in found.notes[0]
    assert "broken.jpg" in caplog.text
    assert len(brightness(found.train(8))) == 24


def test_many_broken_images_are_an_error(root):
    for i in range(5):
        (root / "cat" / f"broken{i}.jpg").touch()
    with pytest.raises(errors.DataError, match=r"5 of 35.*empty file"):
        data.load(str(root))


def test_an_image_that_breaks_later_is_named(root):
    found = data.load(str(root))
    for path in root.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(tf.errors.OpError, match=r"This image cannot be read.*\.png"):
        list(found.train(8))


def test_class_without_readable_images(root):
    (root / "fox").mkdir()
    with pytest.raises(errors.DataError, match="nothing readable in fox"):
        data.load(str(root))


def test_no_image_at_all(tmp_path):
    for part in ("train", "test"):
        for name in CLASSES:
            (tmp_path / part / name).mkdir(parents=True)
    with pytest.raises(errors.DataError, match="no readable image"):
        data.load(str(tmp_path))


def test_classes_that_training_lacks(tmp_path):
    fill(tmp_path / "train", {"cat": 5, "dog": 5})
    fill(tmp_path / "test", {"cat": 5, "fox": 5})
    with pytest.raises(errors.DataError, match=r"training part lacks.*fox"):
        data.load(str(tmp_path))


def test_no_class_folders(tmp_path):
    with pytest.raises(errors.DataError, match=r"one folder per class.*0 folders"):
        data.load(str(tmp_path))


def test_other_tasks_are_refused(root):
    with pytest.raises(errors.DataError, match="Folders hold classes"):
        data.load(str(root), task="regression")


def test_fingerprint_follows_the_files(root):
    first = data.load(str(root)).fingerprint
    assert data.load(str(root)).fingerprint == first
    path = root / "cat" / "003.png"
    os.utime(path, ns=(0, 0))
    assert data.load(str(root)).fingerprint != first


def test_class_weights(root):
    found = data.load(str(root), class_weights="balanced")
    assert found.class_weights == pytest.approx({0: 12 / 16, 1: 12 / 8})


@pytest.mark.slow
def test_memory_does_not_grow_with_the_folder(tmp_path):
    """100 images of 3 MB each, decoded: 300 MB pass through far less."""
    fill(tmp_path, {"cat": 50, "dog": 50}, size=(1000, 1000))
    found = data.load(str(tmp_path), image_size=32)
    process = psutil.Process(os.getpid())
    for _ in found.train(4):
        pass
    before = process.memory_info().rss
    peak = before
    for _ in found.train(4, epoch=1):
        peak = max(peak, process.memory_info().rss)
    assert peak - before < 150e6
