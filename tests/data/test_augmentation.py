import numpy as np
import pytest
import tensorflow as tf

from tfcompress import errors
from tfcompress.data import Augmentation, Dataset

IMAGES = np.arange(40 * 4 * 4, dtype=np.float32).reshape(40, 4, 4, 1)


def test_flip_mirrors_about_half():
    found, _ = Augmentation(flip=True)(IMAGES, None, seed=tf.constant([1, 2]))
    same = (found.numpy() == IMAGES).all(axis=(1, 2, 3))
    mirrored = (found.numpy() == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 8 < same.sum() < 32


def test_crop_is_a_window_of_the_padded_image():
    found, _ = Augmentation(crop=1)(IMAGES, None, seed=tf.constant([1, 2]))
    padded = np.pad(IMAGES, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for image, around in zip(found.numpy(), padded, strict=True):
        windows = [around[i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
        assert any((image == window).all() for window in windows)
    assert found.shape == IMAGES.shape


def test_masks_move_with_their_images():
    change = Augmentation(flip=True, crop=2)
    images, masks = change(IMAGES, IMAGES[..., 0], seed=tf.constant([5, 6]))
    np.testing.assert_array_equal(images[..., 0], masks)


def test_depends_on_seed_and_epoch_only():
    dataset = Dataset.from_arrays(
        (IMAGES, np.arange(40) % 2), augmentation=Augmentation(flip=True, crop=1)
    )

    def images(**settings):
        return np.concatenate([x for x, _ in dataset.train(8, **settings)])

    np.testing.assert_array_equal(images(seed=1, epoch=2), images(seed=1, epoch=2))
    first, second = (images(epoch=e, shuffle=False) for e in (0, 1))
    assert (first != second).any()
    plain = images(shuffle=False, augment=False)
    assert sorted(plain[:, 0, 0, 0]) == sorted(set(plain[:, 0, 0, 0]))


def test_validation_and_calibration_are_never_changed():
    dataset = Dataset.from_arrays(
        (IMAGES, np.arange(40) % 2),
        validation=(IMAGES, np.arange(40) % 2),
        test=(IMAGES, np.arange(40) % 2),
        augmentation=Augmentation(flip=True, crop=1),
    )
    found = np.concatenate([x for x, _ in dataset.validation(16)])
    np.testing.assert_array_equal(found, IMAGES)
    sample = np.concatenate(list(dataset.calibration(40)))
    np.testing.assert_array_equal(np.sort(sample[:, 0, 0, 0]), IMAGES[:, 0, 0, 0])


def test_parse():
    assert Augmentation.parse("flip") == Augmentation(flip=True)
    assert Augmentation.parse("crop=4,flip") == Augmentation(flip=True, crop=4)


@pytest.mark.parametrize("text", ["crop", "crop=x", "flip=3"])
def test_unreadable(text):
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        Augmentation.parse(text)


def test_unknown():
    with pytest.raises(errors.ConfigError, match="Did you mean 'flip'"):
        Augmentation.parse("flipp")
