"""Read one image file: any mode, as it would be seen, as RGB bytes.

* grey, palette, CMYK and 16-bit images are converted to 8-bit RGB;
* transparent pixels are laid over white;
* the camera's orientation tag is applied.
"""

from __future__ import annotations

import pathlib

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tfcompress import errors

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
)

_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 swap height and width
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_TAIL_BYTES = 4096  # some cameras write padding behind the end mark


def decode(path: str | pathlib.Path) -> npt.NDArray[np.uint8]:
    """Return the image as uint8 ``[height, width, 3]``.

    Raises:
        DataError: If the file is not an image, or is damaged.
    """
    try:
        with Image.open(path) as image:
            return np.array(_rgb(ImageOps.exif_transpose(image)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise errors.DataError(
            f"This image cannot be read. Received: {path} ({error}). Delete it or "
            "replace it by a good copy."
        ) from error


def inspect(path: pathlib.Path) -> tuple[int, int] | str:
    """Return height and width, or what is wrong with the file, without decoding it."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            # Looking for EXIF that is not in the header would decode a whole PNG.
            tagged = image.format != "PNG" or "exif" in image.info
            turned = tagged and image.getexif().get(_ORIENTATION, 1) >= 5
            mark = _END_MARKS.get(image.format or "", b"")
        if mark not in _tail(path):
            return "truncated: the end of the image is missing"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return "empty file" if path.stat().st_size == 0 else f"no image ({error})"
    return (width, height) if turned else (height, width)


def _tail(path: pathlib.Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return stream.read()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # PIL would cut off at 255, not scale
        values = np.asarray(image, np.float64)
        if values.max(initial=0) > 255:
            values = values / 257  # 65535 / 255
        return Image.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")
