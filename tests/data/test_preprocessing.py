import sys

import numpy as np
import pytest

from tfcompress import errors
from tfcompress.data import Preprocessing
from tfcompress.data.preprocessing import resolve


def test_scale_then_mean_then_std():
    """(255 / 255 - 0.5) / 0.25 = 2 and (0 - 0.5) / 0.25 = -2."""
    chosen = Preprocessing.parse("scale=1/255, mean=0.5, std=0.25")
    found = chosen(np.array([[255, 0]], np.uint8))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[2, -2]], rtol=1e-6)


def test_mean_per_channel():
    chosen = Preprocessing.parse("mean=1,2,3,std=1,2,4")
    found = chosen(np.full((1, 1, 1, 3), 5, np.uint8))
    np.testing.assert_allclose(found[0, 0, 0], [4, 1.5, 0.5])


@pytest.mark.parametrize("text", ["none", "identity"])
def test_none_is_a_decision(text):
    chosen = Preprocessing.parse(text)
    assert chosen.stated
    assert chosen(np.array([7], np.uint8)).tolist() == [7.0]


def test_resize_and_channels():
    """Halving a 2x2 checkerboard of 0 and 100 gives its mean, in three channels."""
    image = np.array([[0, 100], [100, 0]], np.uint8)[None, ..., None]
    found = Preprocessing(image_size=(1, 1), channels=3)(image)
    np.testing.assert_allclose(found, np.full((1, 1, 1, 3), 50), atol=1e-3)


def test_colour_to_grey():
    """Luma of pure green is 0.587."""
    image = np.array([0, 100, 0], np.uint8).reshape(1, 1, 1, 3)
    found = Preprocessing(channels=1)(image)
    assert found.shape == (1, 1, 1, 1)
    assert abs(float(found[0, 0, 0, 0]) - 58.7) <= 1


def test_two_channels_cannot_be_converted():
    with pytest.raises(errors.DataError, match="cannot be brought to 3 channels"):
        Preprocessing(channels=3)(np.zeros((1, 2, 2, 2), np.uint8))


def test_only_the_images_among_several_inputs():
    x = {"image": np.full((1, 2, 2, 1), 4, np.uint8), "age": np.array([[30]], np.int32)}
    found = Preprocessing(scale=0.5, image_size=(1, 1))(x)
    assert found["image"].tolist() == [[[[2.0]]]]
    assert found["age"].tolist() == [[30.0]]


def test_function(tmp_path, monkeypatch):
    (tmp_path / "my_inputs.py").write_text("def shift(x):\n    return x + 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    chosen = Preprocessing.parse("my_inputs:shift")
    assert chosen(np.array([[1]], np.uint8)).tolist() == [[2.0]]
    assert chosen.to_dict()["function"] == "my_inputs:shift"


def test_record_survives_a_dict():
    chosen = Preprocessing.parse("scale=1/255, mean=0.1,0.2,0.3, channels=3")
    again = Preprocessing.from_dict(chosen.to_dict())
    assert again == chosen


@pytest.mark.parametrize("text", ["scale", "scale=x", "scale=1/0", "mean=", "1/255"])
def test_unreadable(text):
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        Preprocessing.parse(text)


def test_unknown_setting_gets_a_hint():
    with pytest.raises(errors.ConfigError, match="Did you mean 'scale'"):
        Preprocessing.parse("scael=2")


@pytest.mark.parametrize(
    "settings",
    [{"image_size": (0, 3)}, {"channels": 2}, {"scale": 0.0}, {"std": (1.0, 0.0)}],
)
def test_ranges(settings):
    with pytest.raises(errors.ConfigError, match="out of its range"):
        Preprocessing(**settings)


def test_missing_function():
    with pytest.raises(errors.ConfigError, match="no such function"):
        Preprocessing.parse("math:no_such")
    with pytest.raises(errors.ConfigError, match="cannot be imported"):
        Preprocessing.parse("no_such_module:f")


def test_resolve_keeps_the_default_and_adds_a_size():
    default = Preprocessing(scale=0.5)
    assert resolve(None, None, default=default) == default
    assert resolve(None, 8, default=default).image_size == (8, 8)
    assert resolve("none", (4, 6), default=default).image_size == (4, 6)
    assert resolve({"scale": 3.0}, [9], default=default).image_size == (9, 9)
