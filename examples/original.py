"""The model and the data that the examples start from; put your own in their place."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from tfcompress import data, training
from tfcompress.pipeline.demo import build_network

EXAMPLES = int(os.environ.get("EXAMPLES", "6000"))  # to train on; 18,000 are there
EPOCHS = int(os.environ.get("EPOCHS", "4"))


def dataset() -> data.Dataset:
    """Load the part of Fashion-MNIST that the package carries."""
    return data.load("fashion-mnist-small", limit=EXAMPLES)


def trained(examples: data.Dataset) -> keras.Model:
    """Train a small convolution-BatchNorm network."""
    keras.utils.set_random_seed(0)
    model = build_network(examples)
    config = training.TrainConfig(epochs=EPOCHS, learning_rate=2e-3)
    training.train(model, examples, config=config)
    return model


def accuracy(model: keras.Model, examples: data.Dataset) -> str:
    """Say how good a model is on the held-out part."""
    found = data.evaluate_model(model, examples, split="validation")
    return f"{found.metric} {found.value:.4f}"
