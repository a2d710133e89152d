"""Hand-made oracles of the least-squares repair, which share no code with it."""

from __future__ import annotations

import keras
import numpy as np


def inputs_of(model, name, images):
    """Return what a layer reads and what it computes before its activation."""
    layer = model.get_layer(name)
    reader = keras.Model(model.inputs, layer.input)
    x = np.asarray(reader([images], training=False))
    activation, layer.activation = layer.activation, keras.activations.linear
    y = np.asarray(layer(x))
    layer.activation = activation
    return x, y


def patch_matrix(x, size, *, strides=1, padding="same", dilation=1):
    """Return the window of every output position, row by row, by plain loops."""
    reach = (size - 1) * dilation + 1
    height, width = x.shape[1:3]
    if padding == "same":
        pads = []
        for length in (height, width):
            out = -(-length // strides)
            total = max((out - 1) * strides + reach - length, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    rows = []
    for image in x:
        for top in range(0, image.shape[0] - reach + 1, strides):
            for left in range(0, image.shape[1] - reach + 1, strides):
                window = image[
                    top : top + reach : dilation, left : left + reach : dilation
                ]
                rows.append(window.reshape(-1))
    return np.array(rows, np.float64)


def fit(rows, targets, keep, *, intercept):
    """Solve ``targets = rows[:, keep] W + b`` by `numpy.linalg.lstsq`."""
    kept = rows[:, keep]
    if intercept:
        kept = np.concatenate([kept, np.ones((len(kept), 1))], axis=1)
    solved = np.linalg.lstsq(kept, targets, rcond=None)[0]
    return (solved[:-1], solved[-1]) if intercept else (solved, None)


def unit_kernel_fit(model, name, images, variable, axis, columns):
    """Fit a layer's outputs by those that each single entry of its kernel gives.

    Args:
        model, name: The layer.
        images: What the model runs on.
        variable: Name of the kernel.
        axis: Its input axis.
        columns: Which positions of that axis are kept.

    Returns:
        The fitted entries, in the shape of the cut kernel, and the fitted bias.
    """
    layer = model.get_layer(name)
    x, wanted = inputs_of(model, name, images)
    saved, activation = layer.get_weights(), layer.activation
    layer.activation = keras.activations.linear
    layer.bias.assign(np.zeros(layer.bias.shape))
    kernel = next(v for v in layer.variables if v.name == variable)
    shape = list(kernel.shape)
    shape[axis] = int(columns.sum())
    design = []
    for entry in range(int(np.prod(shape))):
        unit = np.zeros(int(np.prod(shape)))
        unit[entry] = 1
        whole = np.zeros(kernel.shape)
        index = [slice(None)] * len(shape)
        index[axis] = np.flatnonzero(columns)
        whole[tuple(index)] = unit.reshape(shape)
        kernel.assign(whole)
        design.append(np.asarray(layer(x)).reshape(-1))
    layer.set_weights(saved)
    layer.activation = activation
    outputs = wanted.shape[-1]
    bias = np.tile(np.eye(outputs), (wanted.size // outputs, 1))
    matrix = np.concatenate([np.array(design, np.float64).T, bias], axis=1)
    solved = np.linalg.lstsq(matrix, wanted.reshape(-1), rcond=None)[0]
    return solved[:-outputs].reshape(shape), solved[-outputs:]
