import keras
import numpy as np
import pytest

from tests.tflite.editing import edited
from tfcompress import tflite
from tfcompress.tflite import layer_errors


@pytest.fixture(scope="module")
def layers(net, converted):
    return layer_errors.layers_of(net, converted("float32").content)


@pytest.fixture
def examples(images):
    return [{"image": images[i : i + 1]} for i in range(4)]


def coarser(content, shape):
    """Return the file with the kernel of a shape left with 1 bit of its 8."""

    def change(model):
        graph = model.subgraphs[0]
        kernel = next(t for t in graph.tensors if list(t.shape) == shape)
        values = np.asarray(model.buffers[kernel.buffer].data, np.uint8).view(np.int8)
        rough = np.where(values < 0, -64, 64).astype(np.int8)
        model.buffers[kernel.buffer].data = rough.view(np.uint8)

    return edited(content, change)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [([16, 3, 3, 8], "conv1+bn1+relu1"), ([5, 16], "predictions")],
)
def test_the_spoilt_layer_is_found(converted, layers, examples, shape, layer):
    """Of all layers, the one whose weights were damaged adds the most noise."""
    spoilt = coarser(converted("int8").content, shape)
    worst = layer_errors.worst_layers(
        converted("float32").content, spoilt, examples, layers=layers
    )
    assert worst[0].layer == layer
    assert worst[0].added_noise > 5 * worst[1].added_noise
    assert worst[0].snr_db < 20
    assert len(worst) == 5


def test_a_good_file_has_little_noise_anywhere(converted, layers, examples):
    """Every layer of an int8 file stays above 25 dB; every operator has a partner."""
    found = layer_errors.worst_layers(
        converted("float32").content,
        converted("int8").content,
        examples,
        layers=layers,
        limit=100,
    )
    assert len(found) == 7
    assert min(item.snr_db for item in found) > 25
    assert {item.operator for item in found} == {
        "CONV_2D",
        "ADD",
        "MEAN",
        "FULLY_CONNECTED",
    }


@pytest.mark.slow
def test_files_without_common_operators_give_nothing(converted, examples):
    """Two files that cannot be paired are no error."""
    inputs = keras.Input((12, 12, 3), name="image")
    other = keras.Model(inputs, keras.layers.MaxPooling2D(name="p")(inputs))
    found = layer_errors.worst_layers(
        tflite.convert(other).content, converted("int8").content, examples
    )
    assert found == ()


def test_layers_with_automatic_names_are_told_apart():
    """TensorFlow numbers names again: ``conv2d_1`` may be an operator of ``conv2d``."""
    inputs = keras.Input((8, 8, 3))
    names = ["conv2d_1", "conv2d", "conv2d_2"]
    x = inputs
    for name, width in zip(names, (4, 5, 6), strict=True):
        x = keras.layers.Conv2D(width, 3, name=name)(x)
    model = keras.Model(inputs, x)

    found = layer_errors.layers_of(model, tflite.convert(model).content)

    assert [found[index] for index in sorted(found)] == [[name] for name in names]
