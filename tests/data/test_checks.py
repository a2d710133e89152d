import keras
import numpy as np
import pytest

from tests.models import conv_bn_net
from tfcompress import data, errors
from tfcompress.data import Dataset, Preprocessing, check_fits

Y = np.arange(30) % 5


def images(shape=(12, 12, 3), high=255):
    x = np.random.default_rng(0).integers(0, high + 1, (30, *shape))
    return x.astype(np.uint8)


def dataset(x=None, y=Y, scale=1 / 255, **settings):
    x = images() if x is None else x
    return Dataset.from_arrays(
        (x, y), test=(x, y), preprocessing=Preprocessing(scale=scale), **settings
    )


@pytest.fixture(scope="module")
def model():
    return conv_bn_net()


def test_what_fits(model):
    check_fits(model, dataset())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((10, 10, 3), "Resize the images with `--image-size 12,12`"),
        ((12, 12, 1), "channels=3"),
        ((12, 12), "Reshape"),
        ((12,), "Reshape"),
    ],
)
def test_wrong_shape(model, shape, message):
    with pytest.raises(errors.DataError, match=message):
        check_fits(model, dataset(images(shape)))


def test_missing_channel_axis():
    built = conv_bn_net((12, 12, 1))
    with pytest.raises(errors.DataError, match="Add the missing axis"):
        check_fits(built, dataset(images((12, 12))))


def test_flexible_shapes_fit():
    check_fits(conv_bn_net((None, None, 3)), dataset())


def test_wrong_number_of_inputs(model):
    x = {"a": images(), "b": images()}
    with pytest.raises(errors.DataError, match="one array per input"):
        check_fits(model, dataset(x))


def test_inputs_by_name_in_any_order():
    a, b = keras.Input((4,), name="z"), keras.Input((6,), name="a")
    built = keras.Model(
        [a, b], keras.layers.Dense(5)(keras.layers.Concatenate()([a, b]))
    )
    x = {"a": np.zeros((30, 6)), "z": np.zeros((30, 4))}
    check_fits(built, dataset(x))
    with pytest.raises(errors.DataError, match="do not fit"):
        check_fits(built, dataset({"a": x["z"], "z": x["a"]}))


def test_too_many_classes(model):
    with pytest.raises(errors.DataError, match=r"labels of 7 classes; .* 5 units"):
        check_fits(model, dataset(y=np.arange(30) % 7))


def test_fewer_classes_are_fine_unless_they_are_named(model):
    y = np.arange(30) % 4
    check_fits(model, dataset(y=y))
    with pytest.raises(errors.DataError, match="labels of 4 classes"):
        check_fits(model, dataset(y=y, class_names=list("abcd")))


def test_one_unit_takes_two_classes():
    built = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    x = np.zeros((30, 4))
    check_fits(built, dataset(x, Y % 2))
    with pytest.raises(errors.DataError, match="labels of 5 classes"):
        check_fits(built, dataset(x, Y))


def test_labels_of_another_size():
    built = keras.Sequential(
        [keras.Input((12, 12, 3)), keras.layers.Conv2D(2, 3, strides=2, padding="same")]
    )
    masks = np.tile([0, 1], (30, 12, 6))
    with pytest.raises(errors.DataError, match=r"\(12, 12\); the output's is \(6, 6\)"):
        check_fits(built, dataset(y=masks))
    check_fits(built, dataset(y=masks[:, ::2, ::2]))


def test_numbers_of_another_width():
    built = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    x = np.zeros((30, 4))
    with pytest.raises(errors.DataError, match="labels of shape"):
        check_fits(built, dataset(x, np.ones((30, 3)) / 2))
    check_fits(built, dataset(x, np.ones((30, 2)) / 2))


def test_raw_pixels_for_a_model_without_rescaling(model):
    with pytest.raises(errors.DataError, match=r"0 to 255.*--preprocess scale=1/255"):
        check_fits(model, dataset(scale=1.0))


def rescaling_model():
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )


def test_scaled_pixels_for_a_model_that_rescales():
    with pytest.raises(errors.DataError, match=r"itself.*--preprocess none"):
        check_fits(rescaling_model(), dataset())
    check_fits(rescaling_model(), dataset(scale=1.0))


def test_what_is_stated_is_believed(model):
    raw = data.load(dataset(), preprocess="none")
    check_fits(model, raw)
    check_fits(rescaling_model(), data.load(dataset(), preprocess="scale=1/255"))


def test_nan_after_preprocessing(tmp_path, monkeypatch, model):
    (tmp_path / "to_nan.py").write_text("def f(x):\n    return x * float('nan')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(errors.DataError, match="after preprocessing"):
        check_fits(model, data.load(dataset(), preprocess="to_nan:f"))
