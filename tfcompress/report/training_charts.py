"""What training did, as charts: scale histograms and curves over the epochs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from tfcompress.report import formats, svg
from tfcompress.report.network import Curve, Histogram

RIDGE_ROW, RIDGE_PEAK = 34, 30  # px
MOST_RIDGES = 8
CURVE_HEIGHT = 150  # px of the plot alone


def ridges(histograms: Sequence[Histogram]) -> Markup:
    """Draw the distribution of the scales over training, one ridge below the other."""
    chosen = _spread(histograms, MOST_RIDGES)
    low = min(h.edges[0] for h in chosen)
    high = max(h.edges[-1] for h in chosen)
    if not high > low:
        high = low + 1.0
    height = RIDGE_ROW * len(chosen) + 8
    marks = [svg.text("near 0", 100, 10, class_="note", anchor="end")]
    for tick in svg.ticks(low, high, most=4):
        x = 27 + 59 * (tick - low) / (high - low)
        marks.append(svg.vertical(x, 14, height + 8))
        marks.append(
            svg.text(f"{tick:g}", x, height + 22, class_="note", anchor="middle")
        )
    for index, histogram in enumerate(chosen):
        marks += _ridge(histogram, low, high, 8 + RIDGE_ROW * (index + 1))
    near = [h for h in (chosen[0], chosen[-1]) if h.near_zero is not None]
    said = ", ".join(f"{h.label}: {formats.percent(h.near_zero, 0)}" for h in near)
    alt = f"Distribution of the BatchNorm scales over training. Near zero: {said}."
    return svg.drawing(*marks, height=height + 28, alt=alt)


def curve(data: Curve) -> Markup:
    """Draw one quantity over the epochs: training dashed, held-out data solid."""
    values = [v for v in (*data.train, *data.validation) if v is not None]
    low, high = svg.padded(min(values), max(values))
    marks: list[Markup] = []
    for tick in svg.ticks(low, high, most=5):
        y = 8 + CURVE_HEIGHT * (high - tick) / (high - low)
        marks.append(
            svg.tag(
                "line", x1="13%", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"
            )
        )
        marks.append(svg.text(f"{tick:g}", 12, y + 4, class_="note", anchor="end"))
    epochs = max(len(data.train), len(data.validation))
    for epoch in _epoch_ticks(epochs):
        x = 13 + 87 * _across(epoch - 1, epochs) / svg.PANEL
        anchor = "middle" if 14 < x < 99 else ("start" if x < 50 else "end")
        marks.append(
            svg.text(f"{epoch}", x, CURVE_HEIGHT + 24, class_="note", anchor=anchor)
        )
    lines = [
        svg.tag("path", d=_line(series, epochs, low, high), class_=f"line {name}")
        for name, series in (("train", data.train), ("held-out", data.validation))
        if series
    ]
    marks.append(svg.panel(*lines, x=13, width=87, y=8, height=CURVE_HEIGHT))
    return svg.drawing(*marks, height=CURVE_HEIGHT + 30, alt=_curve_alt(data))


def _curve_alt(data: Curve) -> str:
    parts = [
        f"{name} from {known[0]:.4g} to {known[-1]:.4g}"
        for name, series in (("training", data.train), ("held-out", data.validation))
        if (known := [v for v in series if v is not None])
    ]
    return f"{data.name} in stage {data.stage}: {', '.join(parts)}."


def _line(series: Sequence[float | None], epochs: int, low: float, high: float) -> str:
    points = [
        None
        if value is None
        else (_across(index, epochs), svg.PANEL * (high - value) / (high - low))
        for index, value in enumerate(series)
    ]
    return svg.path(points)


def _across(index: int, epochs: int) -> float:
    return svg.PANEL * index / max(1, epochs - 1)


def _epoch_ticks(epochs: int) -> list[int]:
    inner = [int(t) for t in svg.ticks(1, epochs, most=6) if t == int(t)]
    return sorted({1, *(t for t in inner if epochs * 0.12 < t < epochs * 0.9), epochs})


def _ridge(
    histogram: Histogram, low: float, high: float, baseline: float
) -> list[Markup]:
    outline = svg.path(_outline(histogram, low, high), closed=True)
    near = histogram.near_zero
    share = "" if near is None else formats.percent(near, 0)
    return [
        svg.text(histogram.label, 25, baseline - 4, class_="note", anchor="end"),
        svg.panel(
            svg.tag("path", d=outline, class_="ridge"),
            x=27,
            width=59,
            y=baseline - RIDGE_PEAK,
            height=RIDGE_PEAK,
        ),
        svg.text(share, 100, baseline - 4, class_="value", anchor="end"),
    ]


def _outline(
    histogram: Histogram, low: float, high: float
) -> list[tuple[float, float] | None]:
    """Return the steps of a histogram; heights are square roots, so tails are seen."""
    across = [svg.PANEL * (edge - low) / (high - low) for edge in histogram.edges]
    pairs = list(itertools.pairwise(histogram.edges))
    dense = [
        (count / (right - left)) ** 0.5 if right > left and count > 0 else 0.0
        for count, (left, right) in zip(histogram.counts, pairs, strict=True)
    ]
    top = max(dense, default=0.0) or 1.0
    points: list[tuple[float, float] | None] = [(across[0], svg.PANEL)]
    for value, (left, right) in zip(dense, itertools.pairwise(across), strict=True):
        level = svg.PANEL * (1 - value / top)
        points += [(left, level), (right, level)]
    return [*points, (across[-1], svg.PANEL)]


def _spread(items: Sequence[Histogram], most: int) -> list[Histogram]:
    """Take at most `most` items, evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
