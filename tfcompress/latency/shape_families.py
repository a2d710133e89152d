"""Rules of layers that move numbers: resize, pad, join, shuffle, reduce."""

from __future__ import annotations

import numpy as np

from tfcompress.latency import families
from tfcompress.latency.call_shapes import CallShape, Part, Rule, two
from tfcompress.latency.families import Family

_RESIZES = {
    "bilinear": families.RESIZE_BILINEAR,
    "nearest": families.RESIZE_NEAREST,
}


def concatenate(call: CallShape) -> list[Part]:
    """Return a join of channels, or of positions: boxes of several sizes of image."""
    rank = len(call.shape) + 1
    if call.layer.axis % rank == rank - 1:
        return [call.same(families.CONCAT)]
    height, width = call.made_size
    family = Family(kind=families.STACK, width=height * width)
    return [(family, call.makes, call.makes)]


def reduced(kind: str) -> Rule:
    """Return the rule of an operation that reduces an image to a vector."""

    def rule(call: CallShape) -> list[Part] | None:
        axes = call.layer.axis
        if not isinstance(axes, list | tuple) or len(call.shape) != 3:
            return None
        return [call.same(kind)] if {axis % 4 for axis in axes} == {1, 2} else None

    return rule


def bordered(kind: str, amounts: str) -> Rule:
    """Return the rule of padding or cropping by a layer's setting of that name."""

    def rule(call: CallShape) -> list[Part] | None:
        if call.layer.data_format != "channels_last":
            return None
        (top, bottom), (left, right) = getattr(call.layer, amounts)
        return [call.same(kind, padding=f"{top},{bottom},{left},{right}")]

    return rule


def upsampling(call: CallShape) -> list[Part] | None:
    """Return repeated rows and columns, or a resize."""
    if call.layer.interpolation == "nearest":
        if call.layer.data_format != "channels_last":
            return None
        return [call.same(families.REPEAT, strides=two(call.layer.size))]
    return resizing(call)


def resizing(call: CallShape) -> list[Part] | None:
    """Return a resize, if nothing is cut off or filled in."""
    layer = call.layer
    cuts = getattr(layer, "crop_to_aspect_ratio", False)
    fills = getattr(layer, "pad_to_aspect_ratio", False)
    kind = _RESIZES.get(layer.interpolation)
    if kind is None or cuts or fills or layer.data_format != "channels_last":
        return None
    height, width = call.made_size
    return [call.same(kind, padding=f"{height},{width}")]


def shuffle(call: CallShape) -> list[Part]:
    """Return the shuffle of our zoo's layer."""
    return [call.same(families.SHUFFLE, groups=call.layer.groups)]


def permute(call: CallShape) -> list[Part] | None:
    """Return a transposed image, or the middle of a channel shuffle; else nothing."""
    axes = getattr(call.layer, "dims", None) or (call.layer.axes or ())[1:]
    if axes == (2, 1, 3):
        return [call.same(families.TRANSPOSE)]
    if axes != (1, 2, 4, 3):
        return None
    height, width, groups, _ = call.shape
    reads = call.reads[0]
    count = reads * groups if isinstance(reads, int) else np.tile(reads, groups)
    family = Family(kind=families.SHUFFLE, height=height, width=width, groups=groups)
    return [(family, count, count)]
