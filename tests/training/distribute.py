"""Train under a strategy of two replicas; run by test_distribution.py."""

from __future__ import annotations

import json
import sys

import numpy as np
import tensorflow as tf

from tests.training.networks import blobs, depthwise_net, flat
from tfcompress import distill, errors, training


def two_replicas():
    """Return a strategy of two; in a process that has not used TensorFlow yet."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def main() -> None:
    strategy = two_replicas()
    outside = depthwise_net()
    found = {}
    with strategy.scope():
        model, student = depthwise_net(), depthwise_net(seed=1)
        try:
            training.train(outside, blobs(), config=training.TrainConfig())
        except errors.ModelError as error:
            found["refused"] = str(error)
    before = flat(model)
    settings = {"epochs": 6, "batch_size": 32, "learning_rate": 0.01}
    result = training.train(model, blobs(320), config=training.TrainConfig(**settings))
    found |= {
        "loss": result.history["loss"],
        "moved": float(np.ptp(flat(model) - before)),
    }
    found["replicas"] = model.distribute_strategy.num_replicas_in_sync
    settings["soft_targets"] = "live"
    taught = distill.distill(
        student, model, blobs(320), config=distill.DistillConfig(**settings)
    )
    found["taught"] = taught.history["distillation_loss"]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
