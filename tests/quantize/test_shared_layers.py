"""A layer that is called at several places computes the same at each, in the file too."""

from __future__ import annotations

import pytest

from tests.quantize.nets import conv, images_for, layers, parity, ranged, wired

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs"),
]

KERNELS = {
    "conv": (lambda: layers.Conv2D(4, 3, padding="same"), (8, 8, 4)),
    "dense": (lambda: layers.Dense(4), (8, 8, 4)),
    "depthwise": (lambda: layers.DepthwiseConv2D(3, padding="same"), (8, 8, 4)),
    "conv_1d": (lambda: layers.Conv1D(4, 3, padding="same"), (16, 4)),
    "depthwise_1d": (lambda: layers.DepthwiseConv1D(3, padding="same"), (16, 4)),
}
GRIDS = {
    "four_bits": ({"recipe": "int8_w4"}, "int4", 4, 38),
    "one_scale_of_four_bits": (
        {"recipe": "int8_w4", "per_channel": False}, "int4", 1, 38
    ),
    "one_scale": ({"recipe": "int8", "per_channel": False}, "int8", 1, 50),
    "one_scale_of_16_bits": (
        {"recipe": "int16x8", "per_channel": False}, "int8", 1, 80
    ),
}  # fmt: skip


def weights_of(conversion):
    """Return the type and the number of scales of each kernel in a file."""
    kernels = (one for one in conversion.inspection.weights if len(one.shape) > 1)
    return {(one.dtype, len(one.scales)) for one in kernels}


def twice(layer):
    return lambda x: layer(layers.ReLU()(layer(x)))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_at_two_places_keeps_its_grid(name, grid):
    """The converter does not find another one for it."""
    (make, shape), (settings, dtype, scales, least) = KERNELS[name], GRIDS[grid]
    model = wired(twice(make()), shape)
    qat_model, _ = ranged(model, **settings)
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert weights_of(conversion) == {(dtype, scales)}
    assert quality > least


def test_equal_kernels_of_two_layers_keep_their_grids():
    """To the converter they are one."""
    one, other = (layers.DepthwiseConv2D(3, padding="same") for _ in range(2))
    model = wired(lambda x: other(layers.ReLU()(one(x))))
    other.set_weights(one.get_weights())
    qat_model, _ = ranged(model, "int8_w4")
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert weights_of(conversion) == {("int4", 4)}
    assert quality > 38


def test_a_kernel_and_its_norm_at_two_places_keep_their_scale():
    """They are folded into one layer, which is called twice."""
    shared, norm = layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()
    model = wired(lambda x: norm(shared(layers.ReLU()(norm(shared(x))))))
    qat_model, _ = ranged(model, per_channel=False)
    conversion, quality, _ = parity(qat_model, images_for(model, 8, seed=1))
    assert weights_of(conversion) == {("int8", 1)}
    assert quality > 45


def test_a_shared_kernel_is_stored_once():
    """Of 64 x 64 x 9 weights in 4 bits, 18,432 bytes."""

    def size(times):
        shared = layers.Conv2D(64, 3, padding="same")

        def build(x):
            for _ in range(times):
                x = shared(x)
            return x

        model = wired(build, (4, 4, 64))
        return len(parity(ranged(model, "int8_w4")[0], images_for(model, 2))[0].content)

    assert size(3) - size(1) < 9_000
