"""Networks of the kinds that users bring, small."""

from __future__ import annotations

import keras

from tfcompress import zoo

layers = keras.layers


def segmentation() -> keras.Model:
    """Return a U: down by pooling, up by a transposed convolution and by resizing."""
    x = image = keras.Input((16, 16, 3), name="image")
    x = first = _block(x, 16, "first", layers.ReLU())
    x = second = _block(layers.MaxPooling2D(2)(x), 24, "second", layers.ReLU())
    x = _block(layers.MaxPooling2D(2)(x), 32, "third", layers.ReLU())
    x = layers.Conv2DTranspose(
        24, 4, strides=2, padding="same", use_bias=False, name="up"
    )(x)
    x = layers.ReLU(name="up_relu")(layers.BatchNormalization(name="up_bn")(x))
    x = layers.Concatenate(name="second_skip")([x, second])
    x = _block(x, 16, "fourth", layers.PReLU(shared_axes=[1, 2]))
    x = layers.UpSampling2D(2, interpolation="bilinear", name="resize")(x)
    x = layers.Add(name="first_skip")([x, first])
    return keras.Model(image, layers.Conv2D(5, 1, name="classes")(x))


def detection() -> keras.Model:
    """Return a YOLO of two scales: leaky ReLUs, repeated pixels, boxes one by one."""
    x = image = keras.Input((16, 16, 3), name="image")
    x = fine = _block(x, 16, "fine", layers.LeakyReLU(0.1))
    x = coarse = _block(layers.MaxPooling2D(2)(x), 32, "coarse", layers.LeakyReLU(0.1))
    x = layers.UpSampling2D(2, name="repeat")(layers.Conv2D(8, 1, name="thin")(x))
    x = layers.Concatenate(name="join")([x, fine])
    boxes = [
        layers.Reshape((-1, 6), name=f"{name}_boxes")(
            layers.Conv2D(12, 1, name=f"{name}_head")(source)
        )
        for name, source in (("coarse", coarse), ("fine", x))
    ]
    x = layers.Concatenate(axis=1, name="all_boxes")(boxes)
    return keras.Model(image, layers.Activation("sigmoid", name="scores")(x))


def shuffling() -> keras.Model:
    """Return a channel shuffle that is written with Keras' own layers."""
    x = image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(16, 1, name="before")(x)
    x = layers.Reshape((8, 8, 4, 4), name="split")(x)
    x = layers.Permute((1, 2, 4, 3), name="swap")(x)
    x = layers.Reshape((8, 8, 16), name="merge")(x)
    x = layers.Conv2D(24, 1, activation="gelu", name="after")(x)
    return keras.Model(image, layers.Conv2D(2, 1, name="head")(x))


def shufflenet() -> keras.Model:
    """Return the zoo's, of widths that its two groups can lose channels of."""
    return zoo.shufflenet((16, 16, 3), 4, groups=2, scale=0.64, repeats=(2,))


def _block(x, width, name, activation):
    x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return activation(layers.BatchNormalization(name=f"{name}_bn")(x))
