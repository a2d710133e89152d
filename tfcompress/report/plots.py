"""A plot: a rectangle with two scales, its grid, and marks placed by their values.

Names of lines and points stand in a column of their own at the right, pushed apart
where they would meet, because what is worth comparing ends close together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from tfcompress.report import formats, svg

LEFT, WHOLE, BESIDE_NAMES = 13, 99, 78  # percent: the left edge, and two right ones
TOP, HEIGHT, BELOW = 8, 190, 26  # px: above, of, and below the rectangle
NAME_GAP = 15  # px between two names
LONGEST_NAME = 12  # characters
Scale = tuple[float, float]
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Plot:
    """The rectangle of a chart.

    Attributes:
        x: Values at the left and the right edge.
        y: Values at the bottom and the top.
        right: Where the right edge is, in percent of the drawing.

    Example:
        >>> plot = Plot(x=(0, 10), y=(0.0, 1.0))
        >>> plot.across(5), plot.down(1.0), plot.down(0.0)
        (56.0, 8.0, 198.0)
    """

    x: Scale
    y: Scale
    right: float = WHOLE

    def across(self, value: float) -> float:
        """Return the place of a value across, in percent."""
        low, high = self.x
        return LEFT + (self.right - LEFT) * (value - low) / ((high - low) or 1)

    def down(self, value: float) -> float:
        """Return the place of a value down, in px."""
        low, high = self.y
        return TOP + HEIGHT * (high - value) / ((high - low) or 1)

    def drawing(self, marks: Iterable[Markup], alt: str) -> Markup:
        """Return the whole chart."""
        return svg.drawing(*marks, height=TOP + HEIGHT + BELOW, alt=alt)

    def levels(self, *, fraction: bool = False) -> list[Markup]:
        """Draw the grid across, its numbers at the left."""
        marks = []
        for tick in svg.ticks(*self.y, most=5):
            y = self.down(tick)
            marks.append(_segment((LEFT, y), (self.right, y), "grid"))
            label = _percent(tick) if fraction else formats.plain(tick)
            label = label.replace("-", formats.MINUS)
            marks.append(svg.text(label, LEFT - 1, y + 4, class_="note", anchor="end"))
        return marks

    def counts(self) -> list[Markup]:
        """Number the places of a scale that counts, below the plot."""
        first, last = int(self.x[0]), int(self.x[1])
        inner = [int(t) for t in svg.ticks(first, last, most=6) if t == int(t)]
        room = 0.12 * (last - first)
        shown = {first, *(t for t in inner if first + room < t < last - room), last}
        return [self._below(t, f"{t:,}", last=t == last) for t in sorted(shown)]

    def shares(self) -> list[Markup]:
        """Write a scale of fractions in percent, below the plot."""
        return [self._below(t, _percent(t)) for t in svg.ticks(*self.x, most=5)]

    def dot(self, point: Point, size: float, class_: str) -> Markup:
        """Draw a point."""
        x, y = svg.share(self.across(point[0])), f"{self.down(point[1]):.1f}"
        return svg.tag("circle", cx=x, cy=y, r=size, class_=class_)

    def upright(self, value: float, class_: str) -> Markup:
        """Draw a line from top to bottom."""
        x = self.across(value)
        return _segment((x, TOP), (x, TOP + HEIGHT), class_)

    def level(self, ends: Scale, value: float, class_: str) -> Markup:
        """Draw a line across, from one value to another."""
        left, right = map(self.across, ends)
        return _segment((left, self.down(value)), (right, self.down(value)), class_)

    def bar(self, ends: Scale, value: float, class_: str) -> Markup:
        """Draw a bar from the bottom up to `value`."""
        left, top = self.across(ends[0]), self.down(value)
        return svg.tag(
            "rect",
            x=svg.share(left),
            y=f"{top:.1f}",
            width=svg.share(self.across(ends[1]) - left),
            height=f"{TOP + HEIGHT - top:.1f}",
            class_=class_,
        )

    def line(self, points: Iterable[Point | None], class_: str) -> Markup:
        """Draw a line through points; what lies below the plot runs along its floor."""
        inner = [None if point is None else self._in_panel(point) for point in points]
        path = svg.tag("path", d=svg.path(inner), class_=class_)
        width = self.right - LEFT
        return svg.panel(path, x=LEFT, width=width, y=TOP, height=HEIGHT)

    def names(self, ends: Sequence[tuple[Point, str, str]]) -> list[Markup]:
        """Write names at the right, each joined with its point.

        Args:
            ends: Point, name, and class of the name.
        """
        marks = []
        places = apart([self.down(point[1]) for point, _, _ in ends])
        for (point, name, class_), place in zip(ends, places, strict=True):
            start = (self.across(point[0]), self.down(point[1]))
            marks.append(_segment(start, (self.right + 2.5, place), "leader"))
            name = svg.short(name, LONGEST_NAME)
            x, y = self.right + 3.5, place + 4
            marks.append(svg.text(name, x, y, class_=class_, anchor="start"))
        return marks

    def _below(self, value: float, label: str, *, last: bool = False) -> Markup:
        anchor = "end" if last and self.x[0] != self.x[1] else "middle"
        x, y = self.across(value), TOP + HEIGHT + 16
        return svg.text(label, x, y, class_="note", anchor=anchor)

    def _in_panel(self, point: Point) -> Point:
        x = (self.across(point[0]) - LEFT) / (self.right - LEFT)
        y = min(1.0, (self.down(point[1]) - TOP) / HEIGHT)
        return svg.PANEL * x, svg.PANEL * y


def apart(heights: Sequence[float]) -> list[float]:
    """Move heights until they are `NAME_GAP` apart, keeping their order.

    Example:
        >>> apart([100.0, 20.0, 102.0])
        [93.5, 20.0, 108.5]
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    runs: list[tuple[float, int]] = []  # middle, members: names that touch are one
    for index in order:
        runs.append((heights[index], 1))
        while len(runs) > 1 and _touch(*runs[-2:]):
            (one, many), (other, more) = runs[-2:]
            middle = (one * many + other * more) / (many + more)
            runs[-2:] = [(middle, many + more)]
    placed: list[float] = []
    for middle, members in runs:
        half = NAME_GAP * (members - 1) / 2
        first = min(max(middle - half, TOP), TOP + HEIGHT - 2 * half)
        placed += [first + NAME_GAP * place for place in range(members)]
    found = dict(zip(order, placed, strict=True))
    return [found[index] for index in range(len(heights))]


def _touch(above: tuple[float, int], below: tuple[float, int]) -> bool:
    return below[0] - above[0] < NAME_GAP * (above[1] + below[1]) / 2


def _segment(start: Point, end: Point, class_: str) -> Markup:
    """Draw a straight line between places: across in percent, down in px."""
    return svg.tag(
        "line",
        x1=svg.share(start[0]),
        y1=f"{start[1]:.1f}",
        x2=svg.share(end[0]),
        y2=f"{end[1]:.1f}",
        class_=class_,
    )


def _percent(value: float) -> str:
    """Write a tick; tenths of percents show where the scale is that fine."""
    return f"{round(100 * value, 4):g} %"
