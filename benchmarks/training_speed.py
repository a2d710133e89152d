"""How fast training is: the fused twin beside plain Keras 3 and beside tf_keras.

    python -m benchmarks.training_speed            # goes on where it was stopped
    python -m benchmarks.training_speed --again    # measures all of it again

Each round fits every variant for a few steps, one after the other, on the same batches.
Ratios are to plain Keras 3 of the same round: wall-clock time, which counts, and CPU
time, which other people's work on the machine disturbs less.  The goals: 0.6 of plain
Keras 3, and no slower than tf_keras.  Networks: ResNet-20 (convolutions) and MobileNet
0.25 (depthwise convolutions).

"convolutions alone" is the same network without normalization, activations and metrics:
the part of a step that no twin can make faster in float32, so the lowest ratio that the
machine allows.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks import timing
from tfcompress import files, training

RESULTS = pathlib.Path(__file__).parent / "results" / "training_speed.json"
GOAL = 0.6
STEPS = 20  # of one measured fit


def resnet20(kit: Any = keras, *, width: int = 16) -> Any:
    """Build ResNet-20 for 32 x 32 images with the layers of `kit`."""
    inputs = kit.Input((32, 32, 3))
    x = conv_bn_relu(kit, inputs, width)
    for stage in range(3):
        for block in range(3):
            stride = 2 if stage and not block else 1
            x = _residual(kit, x, width << stage, stride)
    x = kit.layers.GlobalAveragePooling2D()(x)
    return kit.Model(inputs, kit.layers.Dense(10)(x))


def mobilenet(kit: Any = keras, *, alpha: float = 0.25) -> Any:
    """Build MobileNet v1 for 96 x 96 images with the layers of `kit`."""
    inputs = kit.Input((96, 96, 3))
    x = conv_bn_relu(kit, inputs, int(32 * alpha), stride=2)
    widths = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for index, width in enumerate(widths):
        stride = 2 if index in (1, 3, 5, 11) else 1
        x = kit.layers.DepthwiseConv2D(
            3, strides=stride, padding="same", use_bias=False
        )(x)
        x = norm(kit, x, activation=kit.layers.ReLU(6.0))
        x = conv_bn_relu(kit, x, int(width * alpha), kernel=1)
    x = kit.layers.GlobalAveragePooling2D()(x)
    return kit.Model(inputs, kit.layers.Dense(10)(x))


def conv_bn_relu(
    kit: Any, x: Any, width: int, *, kernel: int = 3, stride: int = 1
) -> Any:
    """Add a convolution, a batch normalization and a ReLU."""
    x = kit.layers.Conv2D(
        width, kernel, strides=stride, padding="same", use_bias=False
    )(x)
    return norm(kit, x, activation=kit.layers.ReLU())


def norm(kit: Any, x: Any, *, activation: Any = None) -> Any:
    """Add a batch normalization and an activation; nothing for `ConvolutionsAlone`."""
    if kit is ConvolutionsAlone:
        return x
    x = kit.layers.BatchNormalization()(x)
    return x if activation is None else activation(x)


class ConvolutionsAlone:
    """A kit of layers that `norm` adds nothing of."""

    layers, Input, Model = keras.layers, keras.Input, keras.Model


def _residual(kit: Any, x: Any, width: int, stride: int) -> Any:
    y = conv_bn_relu(kit, x, width, stride=stride)
    y = norm(kit, kit.layers.Conv2D(width, 3, padding="same", use_bias=False)(y))
    if stride > 1:
        x = kit.layers.Conv2D(width, 1, strides=stride, use_bias=False)(x)
        x = norm(kit, x)
    x = kit.layers.Add()([x, y])
    return x if kit is ConvolutionsAlone else kit.layers.ReLU()(x)


# Builder, image size, batch size.
NETWORKS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "resnet20": (resnet20, 32, 128),
    "mobilenet_0.25": (mobilenet, 96, 64),
}


def batches(size: int, batch_size: int, steps: int = STEPS) -> tf.data.Dataset:
    """Return random images in memory, so that reading costs nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps * batch_size, size, size, 3)).astype("float32")
    y = rng.integers(0, 10, steps * batch_size)
    stream = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)
    return stream.cache().prefetch(2)


def fitter(
    model: Any, stream: tf.data.Dataset, kit: Any = keras, **settings: Any
) -> Callable[[], object]:
    """Return a function that fits `model` for one pass."""
    loss = kit.losses.SparseCategoricalCrossentropy(from_logits=True)
    settings = {"metrics": ["accuracy"], "jit_compile": False, **settings}
    model.compile(kit.optimizers.Adam(1e-3), loss, **settings)
    return lambda: model.fit(stream, verbose=0, shuffle=False)


def variants(name: str) -> dict[str, Callable[[], object]]:
    """Return the ways to train one network; the first is what ratios are to."""
    build, size, batch_size = NETWORKS[name]
    stream = batches(size, batch_size)
    half = training.accelerate(build(), precision="mixed_bfloat16")
    return {
        "keras": fitter(build(), stream),
        "tf_keras": fitter(build(tf_keras), stream, tf_keras),
        "ours": fitter(training.accelerate(build()), stream),
        "ours, no metrics": fitter(training.accelerate(build()), stream, metrics=[]),
        "ours, 5 steps per execution": fitter(
            training.accelerate(build()), stream, steps_per_execution=5
        ),
        "ours, bfloat16": fitter(half, stream),
        "convolutions alone": fitter(build(ConvolutionsAlone), stream, metrics=[]),
    }


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Time all variants of one network in turns."""
    times = timing.turns(variants(name), rounds)
    return {
        kind: {
            "ms_per_step": round(1000 * min(t[0] for t in found) / STEPS, 1),
            "wall": _summary(found, times["keras"], 0, GOAL),
            "cpu": _summary(found, times["keras"], 1, GOAL),
            "wall_to_tf_keras": _summary(found, times["tf_keras"], 0, 1.0),
            "cpu_to_tf_keras": _summary(found, times["tf_keras"], 1, 1.0),
        }
        for kind, found in times.items()
    }


def _summary(
    found: list[tuple[float, float]],
    base: list[tuple[float, float]],
    clock: int,
    bound: float,
) -> dict[str, Any]:
    pairs = [(a[clock], b[clock]) for a, b in zip(found, base, strict=True)]
    return timing.summary(pairs, bound=bound)


def main() -> None:
    """Measure what is missing, print it, and write the results after each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    known = RESULTS.exists() and not options.again
    done = files.read_json(RESULTS)["networks"] if known else {}
    for name in NETWORKS:
        if name not in done:
            done[name] = measure(name, options.rounds)
            record = {
                "command": "python -m benchmarks.training_speed --again",
                "environment": timing.environment(),
                "steps_per_round": STEPS,
                "networks": done,
            }
            files.write_json(RESULTS, record)
        for kind, row in done[name].items():
            print(
                f"{name:16} {kind:28} wall {row['wall']['ratio']:.3f} "
                f"cpu {row['cpu']['ratio']:.3f}  {row['ms_per_step']} ms"
            )


if __name__ == "__main__":
    main()
