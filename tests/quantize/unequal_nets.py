"""Small networks for the tests of quantization after training."""

from __future__ import annotations

import itertools

import keras
import numpy as np

from tests.models import randomise
from tfcompress import data

layers = keras.layers


def mobile(spread: float = 0.0, seed: int = 0) -> keras.Model:
    """Build a stem and two depthwise blocks, MobileNet v1 in small, with ReLU.

    Args:
        spread: Decades over which the channels' ranges are spread; what the network
            computes does not depend on it.
        seed: Of all weights.
    """
    x = inputs = keras.Input((16, 16, 3), name="image")
    x = _block(layers.Conv2D(12, 3, 2, padding="same", use_bias=False, name="stem"), x)
    for k, width in enumerate((16, 24)):
        depthwise = layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, name=f"dw{k}"
        )
        x = _block(depthwise, x)
        x = _block(layers.Conv2D(width, 1, use_bias=False, name=f"pw{k}"), x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(10, name="head")(x), name="mobile")
    randomise(model, seed)
    _centre(model)
    _spread(model, spread, np.random.default_rng(seed))
    return model


def _block(layer, x):
    x = layers.BatchNormalization(name=f"{layer.name}_bn")(layer(x))
    return layers.ReLU(name=f"{layer.name}_relu")(x)


def _centre(model: keras.Model) -> None:
    """Shift the answers so that every class is the right one for some images."""
    bias = model.get_layer("head").bias
    bias.assign(bias - np.asarray(model(images(256, seed=1))).mean(0))


def _spread(model: keras.Model, decades: float, rng: np.random.Generator) -> None:
    """Scale each channel by a factor of its own and undo it in the next layer."""
    names = ["stem", "dw0", "pw0", "dw1", "pw1", "head"]
    for maker, reader in itertools.pairwise(names):
        norm, kernel = model.get_layer(f"{maker}_bn"), model.get_layer(reader).kernel
        factor = 10 ** rng.uniform(-decades / 2, decades / 2, norm.gamma.shape[0])
        norm.gamma.assign(norm.gamma * factor)
        norm.beta.assign(norm.beta * factor)
        axis = len(kernel.shape) - 2
        view = [-1 if i == axis else 1 for i in range(len(kernel.shape))]
        kernel.assign(kernel / factor.reshape(view))


def images(count: int, seed: int = 0) -> np.ndarray:
    """Return noise on plain colours, ``[count, 16, 16, 3]``."""
    rng = np.random.default_rng(seed)
    colour = rng.normal(0, 2, (count, 1, 1, 3))
    return (colour + rng.normal(0, 0.3, (count, 16, 16, 3))).astype("float32")


def labelled(model: keras.Model, count: int = 96, seed: int = 0) -> data.Dataset:
    """Return random images with the model's own answers as labels."""
    x = images(count, seed)
    everything = (x, np.asarray(model(x)).argmax(-1))
    return data.Dataset.from_arrays(
        train=everything,
        validation=everything,
        test=everything,
        task=data.Task.single(
            "classification", num_classes=model.outputs[0].shape[-1], from_logits=True
        ),
    )
