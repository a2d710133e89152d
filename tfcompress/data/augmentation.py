"""Random flips and shifts of training images; off unless asked for.

What an image gets is a function of the seed, the epoch and its place in the epoch, so a
resumed training sees the same images.  Masks of a segmentation move with their image.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import tensorflow as tf

from tfcompress import config, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation(config.Config):
    """What is done to training images at random.

    Example:
        >>> Augmentation.parse("flip, crop=4")
        Augmentation(flip=True, crop=4)
    """

    flip: bool = False  # mirror left and right, half of the images
    crop: int = 0  # pad by this many pixels, then cut out the old size anywhere

    def __post_init__(self) -> None:
        """Check the range."""
        config.require(self.crop >= 0, "crop", self.crop, "0 or more pixels")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "flip", "crop=4" or "flip,crop=4".

        Raises:
            ConfigError: If the text is none of these.
        """
        settings: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, _, value = part.partition("=")
            config.check_known(key.strip(), ("flip", "crop"), owner="--augment")
            valid = value.strip().isdigit() if key.strip() == "crop" else not value
            if not valid:
                raise errors.ConfigError(
                    f"The augmentation cannot be read. Received: {text!r}. Write it "
                    'like "flip,crop=4".'
                )
            settings[key.strip()] = int(value) if value else True
        return cls(**settings)

    def __call__(self, images: tf.Tensor, masks: Any, *, seed: Any) -> tuple[Any, Any]:
        """Change a batch ``[batch, height, width, channels]`` and its masks alike."""
        count = tf.shape(images)[0]
        if self.flip:
            mirrored = _uniform(count, 0, 2, seed, salt=1) == 1
            images = _flip(images, mirrored)
            masks = None if masks is None else _flip(masks, mirrored)
        if self.crop:
            offsets = [
                _uniform(count, 0, 2 * self.crop + 1, seed, salt=salt)
                for salt in (2, 3)
            ]
            images = _crop(images, offsets, self.crop)
            masks = None if masks is None else _crop(masks, offsets, self.crop)
        return images, masks


def _uniform(count: Any, low: int, high: int, seed: Any, *, salt: int) -> tf.Tensor:
    salted = tf.stack([seed[0], seed[1] + salt * 1_000_003])
    return tf.random.stateless_uniform([count], salted, low, high, dtype=tf.int32)


def _flip(images: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    chosen = tf.reshape(mirrored, [-1] + [1] * (len(images.shape) - 1))
    return tf.where(chosen, tf.reverse(images, axis=[2]), images)


def _crop(images: tf.Tensor, offsets: list[tf.Tensor], padding: int) -> tf.Tensor:
    """Cut a window of the old size out of each padded image: rows, then columns."""
    shape = tf.shape(images)
    around = [[0, 0], [padding, padding], [padding, padding]]
    padded = tf.pad(images, around + [[0, 0]] * (len(images.shape) - 3))
    for axis, offset in enumerate(offsets, start=1):
        wanted = offset[:, None] + tf.range(shape[axis])[None]
        padded = tf.gather(padded, wanted, axis=axis, batch_dims=1)
    return tf.ensure_shape(padded, images.shape)
