"""What is done to an input before the model sees it, recorded once and used everywhere.

::

    raw --resize, channels--> [augment: training only] --normalise--> float32

    normalise(x) = (x * scale - mean) / std

Training, calibration, evaluation and the parity check of a ``.tflite`` all read batches
that went through the one implementation here, so a difference between two models is
never a difference in preprocessing.  The record goes into the file's metadata.
"""

from __future__ import annotations

import dataclasses
import fractions
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf

from tfcompress import config, errors
from tfcompress.data import naming

_EXAMPLE = (
    '"scale=1/255", "mean=0.5, std=0.25", "mean=0.49,0.48,0.45, std=0.23,0.22,0.23", '
    '"none" or "package.module:function"'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing(config.Config):
    """How raw values become what the model reads.

    Example:
        >>> Preprocessing.parse("scale=1/255, mean=0.5")(np.uint8([[0, 255]])).tolist()
        [[-0.5, 0.5]]
        >>> Preprocessing.parse("scale=2").to_dict()["scale"]
        2.0
    """

    image_size: tuple[int, ...] | None = None  # height, width in pixels; None: as is
    channels: int | None = None  # 1 = grey, 3 = RGB; None: as they come
    scale: float = 1.0  # factor on raw values
    mean: tuple[float, ...] = ()  # subtracted after scaling; one, or one per channel
    std: tuple[float, ...] = ()  # divided by at last; one, or one per channel
    function: str | None = None  # "package.module:name", in place of the arithmetic
    stated: bool = False  # True: the user asked for it; False: a source's default

    def __post_init__(self) -> None:
        """Check the ranges."""
        config.require(
            self.image_size is None
            or (len(self.image_size) == 2 and min(self.image_size) > 0),
            "image_size",
            self.image_size,
            "two positive numbers, height and width",
        )
        config.require(
            self.channels in (None, 1, 3), "channels", self.channels, "1 or 3"
        )
        config.require(self.scale != 0, "scale", self.scale, "a number other than 0")
        config.require(
            all(s > 0 for s in self.std), "std", self.std, "positive numbers"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``--preprocess`` takes.

        Raises:
            ConfigError: If the text is none of the known forms.
        """
        text = text.strip()
        if text in ("none", "identity"):
            return cls(stated=True)
        if "=" not in text and ":" in text:
            naming.find(text)
            return cls(function=text, stated=True)
        settings: dict[str, Any] = {}
        for key, value in _settings(text):
            config.check_known(
                key, ("scale", "mean", "std", "channels"), owner="--preprocess"
            )
            numbers = _numbers(value, text)
            settings[key] = numbers if key in ("mean", "std") else numbers[0]
        if "channels" in settings:
            settings["channels"] = int(settings["channels"])
        return cls(stated=True, **settings)

    def __call__(self, x: Any) -> Any:
        """Apply everything to a NumPy batch ``[batch, ...]`` and return float32."""
        return tf.nest.map_structure(
            lambda t: t.numpy(), self.normalise(self.resize_batch(x))
        )

    def resize_batch(self, x: Any) -> Any:
        """Bring batches of images to the wanted size; leave other inputs alone."""
        return tf.nest.map_structure(
            lambda leaf: self.resize(leaf) if _is_images(leaf) else leaf, x
        )

    def resize(self, image: Any) -> Any:
        """Bring one image, or a batch of them, to the wanted size and channels."""
        if self.image_size is not None and tuple(image.shape[-3:-1]) != self.image_size:
            image = tf.image.resize(image, self.image_size, antialias=True)
        return image if self.channels is None else _to_channels(image, self.channels)

    def normalise(self, x: Any) -> Any:
        """Turn raw values into what the model reads, as float32.

        With several inputs the arithmetic is for the images among them, if there are
        any; a function gets all inputs as they are nested.
        """
        if self.function is not None:
            return tf.nest.map_structure(_to_float, self._function(_floats(x)))
        leaves = tf.nest.flatten(x)
        only_images = len(leaves) > 1 and any(map(_is_images, leaves))
        changed = [
            _to_float(leaf)
            if only_images and not _is_images(leaf)
            else self._scaled(leaf)
            for leaf in leaves
        ]
        return tf.nest.pack_sequence_as(x, changed)

    @functools.cached_property
    def _function(self) -> Callable[[Any], Any]:
        found: Callable[[Any], Any] = naming.find(self.function or "")
        return found

    def _scaled(self, x: Any) -> Any:
        x = _to_float(x)
        if self.scale != 1.0:
            x = x * np.float32(self.scale)
        if self.mean:
            x = x - np.asarray(self.mean, np.float32)
        return x / np.asarray(self.std, np.float32) if self.std else x


def resolve(
    preprocess: str | Mapping[str, Any] | Preprocessing | None,
    image_size: int | Sequence[int] | None,
    *,
    default: Preprocessing,
) -> Preprocessing:
    """Combine the user's settings with the source's default."""
    if isinstance(preprocess, str):
        chosen = Preprocessing.parse(preprocess)
    elif isinstance(preprocess, Mapping):
        chosen = Preprocessing.from_dict(preprocess)
    else:
        chosen = preprocess or default
    if image_size is not None:
        sizes = [image_size] if isinstance(image_size, int) else list(image_size)
        pair = tuple(sizes * 2 if len(sizes) == 1 else sizes)
        chosen = dataclasses.replace(chosen, image_size=pair)
    return chosen


def _is_images(batch: Any) -> bool:
    """Tell whether a batch is ``[batch, height, width, channels]``, or volumes."""
    return len(batch.shape) >= 4


def _to_float(x: Any) -> Any:
    return tf.cast(x, tf.float32)


def _floats(x: Any) -> Any:
    return tf.nest.map_structure(_to_float, x)


def _to_channels(image: Any, channels: int) -> Any:
    present = image.shape[-1]
    if present == channels:
        return image
    if present == 1:
        return tf.repeat(image, channels, axis=-1)
    if present == 3 and channels == 1:
        return tf.image.rgb_to_grayscale(image)
    raise errors.DataError(
        f"These images cannot be brought to {channels} channels. Received: shape "
        f"{tuple(image.shape)}. Convert them to 1 or 3 channels first."
    )


def _settings(text: str) -> list[tuple[str, str]]:
    """Split "a=1, b=2,3" at the commas that stand before a name."""
    parts = re.split(r"[,;\s]+(?=[A-Za-z_]+\s*=)", text)
    if not all("=" in part for part in parts):
        raise _unreadable(text)
    return [
        (key.strip(), value) for key, value in (part.split("=", 1) for part in parts)
    ]


def _numbers(value: str, text: str) -> tuple[float, ...]:
    """Read "1/255" or "0.5, 0.4"."""
    try:
        return tuple(
            float(fractions.Fraction(number))
            for number in re.split(r"[,;\s]+", value.strip(" ,;()[]"))
        )
    except (ValueError, ZeroDivisionError) as error:
        raise _unreadable(text) from error


def _unreadable(text: str) -> errors.ConfigError:
    return errors.ConfigError(
        f"The preprocessing cannot be read. Received: --preprocess {text!r}. "
        f"Write it like {_EXAMPLE}."
    )
