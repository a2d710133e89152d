"""Where activations are quantized: rules 1 to 5 of `sites`, on small graphs."""

from __future__ import annotations

import keras
import pytest

from tests.quantize.nets import conv, layers
from tfcompress.graph.reading import read_model
from tfcompress.quantize.recipes import find
from tfcompress.quantize.simplifying import simplify
from tfcompress.quantize.sites import find_sites


def sites_of(build, *, in_float=(), shape=(8, 8, 4)):
    """Return the sites of a model, and the name of what makes each tensor."""
    x = keras.Input(shape, name="image")
    flat = read_model(keras.Model(x, build(x)))
    recipes = {
        call.name: find("float32" if call.name in in_float else "int8")
        for call in flat.calls
    }
    found = find_sites(flat, recipes)
    makers = {t: call.name for call in flat.calls for t in call.outputs}
    names = {t: makers.get(t, "image") for t in range(len(flat.tensors))}
    return found, names


def sources(found, names):
    return sorted(sorted(names[t] for t in one.sources) for one in found.ranges)


def test_a_fused_operator_has_one_range_after_its_relu():
    """Conv, BatchNorm and ReLU; and an addition and its ReLU."""
    found, names = sites_of(
        lambda x: layers.ReLU(name="relu")(
            layers.BatchNormalization(name="bn")(conv(x, name="conv"))
        )
    )
    assert sources(found, names) == [["image"], ["relu"]]
    assert len(found.folded) == len(found.rectified) == 1
    found, names = sites_of(
        lambda x: layers.ReLU(name="relu")(layers.Add()([conv(x, name="conv"), x]))
    )
    assert sources(found, names) == [["conv"], ["image"], ["relu"]]


def test_what_two_layers_read_is_rounded_before_them():
    """The ReLU is then an operator of its own."""

    def build(x):
        y = conv(x, name="conv")
        return layers.Add(name="add")([layers.ReLU(name="relu")(y), y])

    found, names = sites_of(build)
    assert sources(found, names) == [["add"], ["conv"], ["image"], ["relu"]]


def test_a_norm_read_elsewhere_does_not_fold():
    """The convolution's own output is needed."""

    def build(x):
        y = conv(x, name="conv")
        return layers.Add(name="add")([layers.BatchNormalization(name="bn")(y), y])

    found, names = sites_of(build)
    assert not found.folded
    assert sources(found, names) == [["add"], ["bn"], ["conv"], ["image"]]


def test_tied_tensors_have_one_range_with_the_sources_alone():
    """Max pooling and padding set nothing; the average is rounded again."""

    def build(x):
        y = layers.ZeroPadding2D(name="pad")(conv(x, name="left"))
        z = layers.AveragePooling2D(1, name="average")(y)
        return conv(z, name="last")

    found, names = sites_of(build)
    assert sources(found, names) == [["image"], ["last"], ["left"]]
    (tied,) = (one for one in found.ranges if len(one.members) > 1)
    assert sorted(names[t] for t in tied.members) == ["average", "left", "pad"]
    assert [names[t] for t in found.rounded] == ["average"]


def test_float_layers_end_a_region_and_the_next_one_begins_it():
    """Its output is an entry; what only follows it stays in float."""

    def build(x):
        y = layers.ReLU(name="relu")(conv(x, name="skipped"))
        return conv(y, name="last")

    found, names = sites_of(build, in_float=("skipped",))
    kinds = [operator.kind for operator in found.operators]
    assert kinds == ["float", "float", "kernel"]
    assert [names[t] for t in found.entries] == ["relu"]
    assert sources(found, names) == [["last"], ["relu"]]


def test_a_known_range_is_fixed_unless_it_is_tied_to_another():
    """A sigmoid alone has [0, 255/256]; joined with a convolution it has not."""
    found, names = sites_of(
        lambda x: conv(layers.Activation("sigmoid", name="gate")(conv(x)), name="last")
    )
    (gate,) = (one for one in found.ranges if names[one.sources[0]] == "gate")
    assert gate.fixed is not None
    assert gate.fixed[8] == (0.0, 255 / 256)

    def joined(x):
        gate = layers.Activation("sigmoid", name="gate")(conv(x, name="a"))
        return conv(layers.Concatenate()([gate, conv(x, name="b")]), name="last")

    found, names = sites_of(joined)
    (both,) = (one for one in found.ranges if len(one.sources) == 2)
    assert both.fixed is None


def test_layers_of_several_operators_are_split():
    """The kernel keeps the name inside of the model, the last part at its output."""
    x = keras.Input((8, 8, 4), name="image")
    y = layers.SeparableConv2D(4, 3, activation="silu", name="sep")(x)
    y = layers.Add(name="add")([y, y, y])
    y = layers.Dense(3, activation="softmax", name="out")(y)
    model = keras.Model(x, y)
    simple, origin, notes = simplify(model, read_model(model))
    assert [layer.name for layer in simple.layers[1:]] == [
        "sep_depthwise",
        "sep",
        "sep_activation",
        "add_0",
        "add",
        "out_kernel",
        "out",
    ]
    assert origin["sep_depthwise"] == origin["sep_activation"] == "sep"
    assert notes == []
    image = keras.random.normal((2, 8, 8, 4), seed=0)
    difference = keras.ops.max(keras.ops.abs(simple(image) - model(image)))
    assert float(difference) < 1e-5


def test_parts_of_a_layer_take_no_name_of_another():
    """Whatever a part is called after its layer, the user may have said before."""
    x = keras.Input((8, 8, 4), name="out_kernel")
    y = layers.SeparableConv2D(4, 3, activation="relu", name="sep")(x)
    y = conv(y, name="sep_depthwise")
    y = conv(y, name="sep_activation")
    y = layers.Multiply(name="times")([y, y, y])
    y = layers.ReLU(name="times_0")(y)
    y = layers.Dense(3, activation="softmax", name="out")(y)
    model = keras.Model(x, y)
    simple, origin, _ = simplify(model, read_model(model))
    assert origin["sep_depthwise_"] == origin["sep_activation_"] == "sep"
    assert origin["times_0_"] == origin["times"] == "times"
    assert origin["out_kernel_"] == origin["out"] == "out"
    image = keras.random.normal((2, 8, 8, 4), seed=0)
    difference = keras.ops.max(keras.ops.abs(simple(image) - model(image)))
    assert float(difference) < 1e-5


@pytest.mark.parametrize("kind", ["Add", "Average", "Multiply"])
def test_a_merge_of_one_tensor_is_left_as_it_is(kind):
    """There is nothing to add or multiply."""
    x = keras.Input((4,))
    model = keras.Model(x, getattr(layers, kind)(name="one")([x]))
    simple, _, _ = simplify(model, read_model(model))
    assert [layer.name for layer in simple.layers[1:]] == ["one"]
    assert float(simple(keras.ops.full((1, 4), 3.0))[0, 0]) == 3.0
