import numpy as np
import pytest
import tensorflow as tf

from tests.tflite.editing import edited, set_value
from tfcompress import errors, tflite
from tfcompress.tflite import exporting, running


@pytest.fixture(scope="module")
def dynamic(net, tmp_path_factory):
    """A file whose batch is open."""
    folder = tmp_path_factory.mktemp("saved")
    known = exporting.interface(net)
    exporting.write_saved_model(net, known, folder, batch_size=None)
    return tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=[exporting.SIGNATURE]
    ).convert()


def test_any_number_of_examples(converted, net, images):
    """A fixed batch of one is looped over; the result has the model's shape."""
    runner = tflite.Runner(converted("float32").content)
    for count in (1, 2, 7):
        np.testing.assert_allclose(
            runner(images[:count]), net(images[:count]), atol=1e-4
        )


def test_a_dynamic_batch_is_allocated_once(dynamic, net, images, monkeypatch):
    """The whole batch runs in one call; the same size again allocates nothing."""
    runner = tflite.Runner(dynamic)
    expected = np.asarray(net(images))
    np.testing.assert_allclose(runner(images), expected, atol=1e-4)
    assert runner.batch_size == 64
    allocations = []
    monkeypatch.setattr(
        runner, "_interpreter", Counting(runner._interpreter, allocations)
    )
    np.testing.assert_allclose(runner(images), expected, atol=1e-4)
    assert allocations == []
    np.testing.assert_allclose(runner(images[:5]), expected[:5], atol=1e-4)
    assert allocations == ["allocate_tensors"]


@pytest.mark.slow
def test_a_fixed_batch_of_several_is_filled(net, images, tmp_path):
    """A last, shorter batch is padded, and the padding does not come out."""
    known = exporting.interface(net)
    exporting.write_saved_model(net, known, tmp_path / "m", batch_size=8)
    content = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path / "m"), signature_keys=[exporting.SIGNATURE]
    ).convert()
    runner = tflite.Runner(content)
    assert runner.batch_size == 8
    np.testing.assert_allclose(runner(images[:13]), net(images[:13]), atol=1e-4)


class Counting:
    def __init__(self, inner, calls):
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name):
        if name == "allocate_tensors":
            self._calls.append(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_quantize_then_dequantize_is_within_half_a_step(rng, dtype):
    """Property 7 of the design, for values inside the range."""
    limits = np.iinfo(dtype)
    scale, point = 0.037, (limits.min + limits.max) // 2
    detail = {"dtype": dtype, "quantization": (scale, point)}
    values = rng.uniform(-4, 4, 1000).astype(np.float32)
    back = running.dequantize(running.quantize(values, detail), detail)
    assert np.abs(back - values).max() <= scale / 2 * 1.001


def test_values_out_of_range_saturate():
    """They do not wrap around."""
    detail = {"dtype": np.int8, "quantization": (1.0, 0)}
    values = np.array([-1e9, 1e9], np.float32)
    assert running.quantize(values, detail).tolist() == [-128, 127]


def test_integers_that_are_quantized_already_pass(converted, images):
    """int8 given to an int8 input is not quantized twice."""
    runner = tflite.Runner(converted("int8", "int8").content)
    ready = running.quantize(images, runner._inputs[0])
    np.testing.assert_array_equal(runner(ready), runner(images))


def test_threads_give_the_same_answer(converted, images):
    """num_threads is about speed."""
    content = converted("int8").content
    two = tflite.Runner(content, num_threads=2)
    np.testing.assert_array_equal(two(images), tflite.Runner(content)(images))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 12, 12), r"'image' does not fit.*\(4, 12, 12\).*\('batch', 12, 12, 3\)"),
        ((4, 10, 12, 3), "'image' does not fit"),
        ((0, 12, 12, 3), "at least one example"),
    ],
)
def test_arrays_that_do_not_fit(converted, shape, message):
    """The message has both shapes."""
    runner = tflite.Runner(converted("float32").content)
    with pytest.raises(errors.DataError, match=message):
        runner(np.zeros(shape, np.float32))


def test_a_file_that_does_not_load(converted):
    """The runtime's refusal is one line with the file's name."""

    def change(model):
        for code in model.operatorCodes:
            code.version = 99

    with pytest.raises(
        errors.TfliteFileError, match=r"runtime cannot load.*bytes"
    ) as e:
        tflite.Runner(edited(converted("float32").content, change))
    assert "\n" not in str(e.value)


def test_a_file_whose_scales_are_too_far_apart_is_told_so(converted):
    """The runtime takes input scale * weight scale / output scale below 256."""

    def change(model):
        operators = model.subgraphs[0].operators
        convolution = next(one for one in operators if len(one.inputs) == 3)
        output = model.subgraphs[0].tensors[convolution.outputs[0]]
        output.quantization.scale = [1e-9]

    with pytest.raises(errors.TfliteFileError, match="scales far apart"):
        tflite.Runner(edited(converted("int8").content, change))


def test_a_damaged_file_is_refused_before_the_runtime(converted):
    """Parsing comes first."""
    change = set_value("operators[0].inputs", [999])
    with pytest.raises(errors.TfliteFileError, match="damaged"):
        tflite.Runner(edited(converted("float32").content, change))


def test_metadata_comes_along(converted):
    """Labels are at hand where the file runs."""
    runner = tflite.Runner(converted("int8").content)
    assert runner.metadata["labels"] == list("abcde")
    assert (runner.input_names, runner.output_names) == (["image"], ["predictions"])
