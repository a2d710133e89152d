import io
import os

import numpy as np
import pytest
from PIL import Image

from tfcompress import errors
from tfcompress.data import images


def save(path, array, **settings):
    Image.fromarray(array).save(path, **settings)
    return path


def test_colour_is_exact(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(
        images.decode(save(tmp_path / "a.png", pixels)), pixels
    )
    assert images.inspect(tmp_path / "a.png") == (5, 7)


def test_grey_becomes_three_equal_channels(tmp_path):
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    found = images.decode(save(tmp_path / "a.png", pixels))
    np.testing.assert_array_equal(found, np.stack([pixels] * 3, -1))


def test_transparent_pixels_lie_over_white(tmp_path):
    """Clear is white, opaque is itself, half of 100 over 255 is 177 or 178."""
    pixels = np.array([[[100, 100, 100, a] for a in (0, 255, 128)]], np.uint8)
    found = images.decode(save(tmp_path / "a.png", pixels))
    assert found.shape == (1, 3, 3)
    assert found[0, :2, 0].tolist() == [255, 100]
    assert found[0, 2, 0] in (177, 178)


def test_palette_with_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "a.png", transparency=0)
    found = images.decode(tmp_path / "a.png")
    assert found.tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path):
    pixels = np.array([[0, 257, 32896, 65535]], np.uint16)
    found = images.decode(save(tmp_path / "a.png", pixels))
    assert found[0, :, 0].tolist() == [0, 1, 128, 255]


def test_cmyk(tmp_path):
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    assert images.decode(tmp_path / "a.jpg").min() > 250


def test_orientation_is_applied(tmp_path):
    """Tag 6 means: turn it clockwise to look at it."""
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, 0] = 200  # the left edge becomes the top
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", pixels, exif=exif)
    found = images.decode(path)
    assert found.shape == (4, 2, 3)
    assert found[0].min() == 200
    assert found[1:].max() == 0
    assert images.inspect(path) == (4, 2)


def broken(tmp_path, kind):
    path = tmp_path / ("a.png" if kind == "png" else "a.jpg")
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no image at all")
    else:
        content = io.BytesIO()
        noise = np.frombuffer(os.urandom(64 * 64 * 3), np.uint8).reshape(64, 64, 3)
        Image.fromarray(noise).save(content, "PNG" if kind == "png" else "JPEG")
        path.write_bytes(content.getvalue()[: len(content.getvalue()) // 2])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "empty file"),
        ("text", "no image"),
        ("png", "truncated"),
        ("jpeg", "truncated"),
    ],
)
def test_broken_files_are_noticed_without_decoding(tmp_path, kind, reason):
    path = broken(tmp_path, kind)
    assert images.inspect(path).startswith(reason)
    with pytest.raises(errors.DataError, match=r"cannot be read.*a\."):
        images.decode(path)
