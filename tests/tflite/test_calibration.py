import numpy as np
import pytest

from tfcompress import errors
from tfcompress.tflite.calibration import CalibrationStream, named
from tfcompress.tflite.exporting import Interface

ONE = Interface(("x",), {"x": (3,)}, {"x": "float32"}, ("y",))
TWO = Interface(("b", "a"), {"b": (3,), "a": ()}, {"b": "float32", "a": "int32"}, ())


def test_batches_are_taken_apart():
    """Each example comes alone, by name, in the input's type."""
    stream = CalibrationStream([np.arange(6.0).reshape(2, 3), np.ones((1, 3))], ONE)
    examples = list(stream())
    assert [e["x"].tolist() for e in examples] == [
        [[0.0, 1.0, 2.0]],
        [[3.0, 4.0, 5.0]],
        [[1.0, 1.0, 1.0]],
    ]
    assert examples[0]["x"].dtype == np.float32
    assert stream.num_examples == 3
    assert stream.first["x"].tolist() == [[0.0, 1.0, 2.0]]


def test_a_generator_is_consumed_one_batch_at_a_time():
    """Nothing is read ahead."""
    taken = []

    def batches():
        for i in range(100):
            taken.append(i)
            yield np.zeros((2, 3))

    examples = CalibrationStream(batches(), ONE)()
    next(examples), next(examples), next(examples)
    assert taken == [0, 1]


def test_several_inputs_by_order_or_name():
    """A list is in the model's order, a dict by name."""
    b, a = np.ones((2, 3)), np.array([4, 5])
    for batch in ([b, a], (b, a), {"a": a, "b": b}):
        examples = list(CalibrationStream([batch], TWO)())
        assert [e["a"].tolist() for e in examples] == [[4], [5]]
        assert examples[0]["a"].dtype == np.int32


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "nothing to calibrate with.*a function that returns them anew"),
        ([np.zeros((0, 3))], "nothing to calibrate with"),
        ([np.zeros((2, 4))], r"do not fit the input 'x'.*\(2, 4\).*\('batch', 3\)"),
        ([np.full((2, 3), np.nan)], "NaN or infinity.*near example 0"),
        ([[np.zeros((2, 3))] * 2], "The inputs do not fit.*2 arrays.*1 inputs: x"),
        ([{"y": np.zeros((2, 3))}], r"do not fit.*\['y'\]"),
    ],
)
def test_unusable_data_are_refused(batches, message):
    """And the error is kept, because the converter wraps what passes through it."""
    stream = CalibrationStream(batches, ONE)
    with pytest.raises(errors.DataError, match=message) as caught:
        list(stream())
    assert stream.error is caught.value


def test_an_error_of_the_source_is_kept():
    """Whatever the user's generator raises comes out as it is."""

    def broken():
        yield np.zeros((2, 3))
        raise FileNotFoundError("image_7.png")

    stream = CalibrationStream(broken, ONE)
    with pytest.raises(FileNotFoundError):
        list(stream())
    assert isinstance(stream.error, FileNotFoundError)


def test_errors_come_through_the_converter(net):
    """`convert` raises the data's error, not the converter's wrapping of it."""
    from tfcompress import tflite

    with pytest.raises(errors.DataError, match="'image'"):
        tflite.convert(net, "int8", calibration=[np.zeros((2, 5, 5, 3))])
    with pytest.raises(errors.DataError, match="nothing to calibrate"):
        tflite.convert(net, "int16x8", calibration=[])


def test_named_refuses_too_few_arrays():
    """The message names the inputs."""
    with pytest.raises(
        errors.DataError, match="1 arrays; the model has 2 inputs: b, a"
    ):
        named(np.zeros(3), ["b", "a"])
