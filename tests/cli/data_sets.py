"""Small data sets that tests name on the command line as module:function."""

from __future__ import annotations

import numpy as np

CLASSES = 5


def images(count=120, size=12, channels=3, classes=CLASSES, seed=0):
    """Return images whose brightness tells their class, in [0, 1]."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = rng.uniform(0, 0.4, (count, size, size, channels)) + y[:, None, None, None] / 10
    return x.astype("float32"), y.astype("int64")


def fitting():
    """Return data for `tests.models.conv_bn_net`."""
    return {"train": images(), "test": images(60, seed=1)}


def tiny():
    """Return images of 6 x 6."""
    return {"train": images(size=6), "test": images(60, size=6, seed=1)}


def grey():
    """Return data with one channel instead of three."""
    return {"train": images(channels=1), "test": images(60, channels=1)}


def flat():
    """Return vectors instead of images."""
    x, y = images()
    return {"train": (x.reshape(len(x), -1), y), "test": (x.reshape(len(x), -1), y)}


def too_many_classes():
    """Return labels that the model has no outputs for."""
    return {"train": images(classes=7), "test": images(70, classes=7)}


def raw_pixels():
    """Return values from 0 to 255 as floats."""
    x, y = images()
    return {"train": (x * 255, y), "test": (x * 255, y)}


def with_nan():
    """Return images with a hole."""
    x, y = images()
    x[:, 3, 3, 0] = np.nan
    return {"train": (x, y), "test": (x, y)}


def empty():
    """Return no examples."""
    x, y = images()
    return {"train": (x[:0], y[:0]), "test": (x[:0], y[:0])}


def regression():
    """Return images with their brightness as the target."""
    x, y = images()
    return {"train": (x, y[:, None] / 10.0), "test": (x, y[:, None] / 10.0)}


def multilabel():
    """Return images with several marks each."""
    x, y = images()
    marks = np.stack([y >= 1, y >= 2, y >= 3], axis=1).astype("float32")
    return {"task": "multilabel", "train": (x, marks), "test": (x, marks)}


def segmentation():
    """Return a class for each pixel."""
    x, y = images()
    masks = np.broadcast_to(y[:, None, None], x.shape[:3]).copy()
    return {"task": "segmentation", "train": (x, masks), "test": (x, masks)}


def two_outputs():
    """Return a class and a number for each image."""
    x, y = images()
    labels = {"kind": y, "brightness": y[:, None] / 10.0}
    task = {"kind": "classification", "brightness": "regression"}
    return {"task": task, "train": (x, labels), "test": (x, labels)}
