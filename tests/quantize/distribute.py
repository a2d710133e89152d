"""Quantization-aware training on two replicas; run by test_distribution.py."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.quantize.nets import parity
from tests.training.distribute import two_replicas
from tests.training.networks import blob_arrays, depthwise_net
from tfcompress import quantize, training
from tfcompress.quantize.activation_ranges import range_layers


def main() -> None:
    strategy = two_replicas()
    x, y = blob_arrays(320)
    kinds = {
        "fit": {},
        "accelerated": {"accelerate": True},
        "per tensor": {"per_channel": False},
    }
    found = {
        name: {
            "two": trained(strategy.scope, x, y, **settings),
            "one": trained(contextlib.nullcontext, x, y, **settings),
        }
        for name, settings in kinds.items()
    }
    sys.stdout.write(json.dumps(found))


def trained(scope, x, y, *, accelerate=False, **settings):
    with scope():
        qat_model, _ = quantize.quantize_aware(depthwise_net(), **settings)
        fitted = training.accelerate(qat_model) if accelerate else qat_model
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        fitted.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    freeze = [quantize.FreezeBatchNorm(50), quantize.FreezeRanges(40)]
    history = fitted.fit(
        x, y, batch_size=32, epochs=6, verbose=0, shuffle=False, callbacks=freeze
    )
    ranges = [layer.range() for layer in range_layers(qat_model)]
    fitted.fit(x, y, batch_size=32, verbose=0, callbacks=freeze)
    after = [layer.range() for layer in range_layers(qat_model)]
    _, quality, same = parity(qat_model, x[:64])
    return {
        "replicas": qat_model.distribute_strategy.num_replicas_in_sync,
        "accuracy": history.history["accuracy"],
        "least_range": min(high - low for low, high in ranges),
        "frozen": ranges == after,
        "apart": copies_apart(qat_model.trainable_variables),
        "snr_db": quality,
        "agreement": same,
    }


def copies_apart(variables):
    """Return the largest difference of the replicas' copies of variables."""
    copies = [getattr(variable.value, "values", ()) for variable in variables]
    return max(
        float(np.abs(one.numpy() - other.numpy()).max())
        for found in copies
        for one, other in itertools.pairwise(found or variables[:1] * 2)
    )


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    main()
