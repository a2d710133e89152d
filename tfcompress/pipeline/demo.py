"""The demo: a small network on real data, from its first step to the report.

The network is a plain convolution-BatchNorm chain of the size where slimming is not
trivial; the data is the part of Fashion-MNIST that the package carries.
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress.pipeline.workflow import Workflow, parse_workflow

WIDTHS = (32, 48, 64, 96)  # channels; about 100,000 parameters
BN_MOMENTUM = 0.9  # the default, 0.99, lags behind in a short training


def demo_workflow(*, seed: int = 0) -> Workflow:
    """Return the workflow of `tfcompress demo`."""
    return parse_workflow(
        {
            "name": "demo",
            "seed": seed,
            "model": {
                "builder": "tfcompress.pipeline.demo:build_network",
                "train": {"epochs": 10, "learning_rate": 2e-3},
            },
            "data": {"source": "fashion-mnist-small"},
            "slim": {
                "macs": 0.5,
                "optimizer": "sgd",
                "weight_decay": 1e-4,
                "strength": 6e-3,  # strong, because the training is short
                "sparse_epochs": 6,
                "sparse_learning_rate": 0.05,
                "epochs": 3,
                "learning_rate": 0.02,
                "max_drop": 0.02,  # distillation brings the rest back
            },
            "distill": {"epochs": 6},
            "quantize": {"max_drop": 0.005, "epochs": 2},  # only if it must be
            "convert": {"recipe": "int8"},
            "verify": {"max_drop": 0.01, "max_drop_from_original": 0.01},
            "benchmark": {},
            "report": {},
        }
    )


def build_network(dataset: Any) -> keras.Model:
    """Build the demo's untrained network for a data set of small grey images."""
    shape = tuple(dataset.input_shapes[0])
    x = inputs = keras.Input(shape, name="image")
    for index, width in enumerate(WIDTHS):
        x = keras.layers.Conv2D(
            width,
            3,
            strides=2 if index in (1, 3) else 1,
            padding="same",
            use_bias=False,
            name=f"conv{index + 1}",
        )(x)
        x = keras.layers.BatchNormalization(
            momentum=BN_MOMENTUM, name=f"bn{index + 1}"
        )(x)
        x = keras.layers.ReLU(name=f"relu{index + 1}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(
        len(dataset.class_names), activation="softmax", name="predictions"
    )(x)
    return keras.Model(inputs, outputs, name="demo_net")
