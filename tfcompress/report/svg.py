"""The few SVG elements that the charts are made of, with every text escaped.

A chart has no `viewBox`: it is as wide as the page lets it be, positions across are
percentages and positions down are pixels, so letters keep their size on a phone.
Curves live in a nested drawing (`panel`) that is stretched to its place.  Colours come
from the page's style sheet by class, so dark mode and print need no second chart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

PANEL = 1000  # the inner width and height of a panel


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; ``class_`` and ``stroke_width`` become SVG's own spellings.

    Example:
        >>> tag("text", "<b>", x="50%", class_="label")
        Markup('<text x="50%" class="label">&lt;b&gt;</text>')
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
    )
    inner = Markup("").join(children)
    return Markup("<{}{}>{}</{}>").format(Markup(name), written, inner, Markup(name))


def drawing(*children: str, height: float, alt: str) -> Markup:
    """Return a whole chart, as wide as its place and `height` pixels high."""
    return tag(
        "svg",
        *children,
        role="img",
        aria_label=alt,
        width="100%",
        height=f"{height:g}",
        class_="chart",
    )


def panel(*children: str, x: float, width: float, y: float, height: float) -> Markup:
    """Return a stretched inner drawing; x and width in percent, y and height in px."""
    return tag(
        "svg",
        *children,
        x=share(x),
        width=share(width),
        y=f"{y:g}",
        height=f"{height:g}",
        viewBox=f"0 0 {PANEL} {PANEL}",
        preserveAspectRatio="none",
        class_="panel",
    )


def text(content: str, x: float, y: float, *, class_: str, anchor: str) -> Markup:
    """Return a line of text at x percent and y pixels."""
    return tag(
        "text", content, x=share(x), y=f"{y:g}", class_=class_, text_anchor=anchor
    )


def vertical(x: float, top: float, bottom: float) -> Markup:
    """Return a line of the grid."""
    return tag(
        "line",
        x1=share(x),
        x2=share(x),
        y1=f"{top:g}",
        y2=f"{bottom:g}",
        class_="grid",
    )


def share(percent: float) -> str:
    """Write a position across.

    Example:
        >>> share(100 / 3)
        '33.33%'
    """
    return f"{round(percent, 2):g}%"


def path(points: Sequence[tuple[float, float] | None], *, closed: bool = False) -> str:
    """Return path data through panel points; ``None`` breaks the line.

    Example:
        >>> path([(0, 0), (10, 5), None, (20, 5)])
        'M0 0L10 5M20 5'
    """
    parts, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{round(point[0], 1):g} {round(point[1], 1):g}")
        pen = "L"
    return "".join(parts) + ("Z" if closed and parts else "")


def short(label: str, most: int) -> str:
    """Take the middle out of a label that is too long for its place.

    Example:
        >>> short("conv1", 12), short("block_3/expand/conv", 12)
        ('conv1', 'block_\N{HORIZONTAL ELLIPSIS}/conv')
    """
    if len(label) <= most:
        return label
    tail = most // 2 - 1
    return f"{label[: most - tail - 1]}\N{HORIZONTAL ELLIPSIS}{label[-tail:]}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers inside [low, high], at most `most` of them.

    Example:
        >>> ticks(0.61, 0.93)
        [0.7, 0.8, 0.9]
        >>> ticks(0, 12, most=4)
        [0, 5, 10]
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    for multiple in (1, 2, 5, 10):
        step = multiple * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            break
    return [round(index * step, 10) for index in range(first, last + 1)]


def padded(low: float, high: float) -> tuple[float, float]:
    """Widen a range a little, so that no mark sits on its edge.

    Example:
        >>> padded(0.0, 1.0), padded(2.0, 2.0)
        ((-0.06, 1.06), (1.9, 2.1))
    """
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin
