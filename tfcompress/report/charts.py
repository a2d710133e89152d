"""The charts of the page: inline SVG that needs no script and follows the theme.

Each function takes plain values and returns markup with a text for people who do not
see it.  Plots for a README, as files, are in `figures`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from tfcompress.report import formats, svg
from tfcompress.report.network import Curve, Histogram
from tfcompress.report.progress import Step

STEP_ROW = 46  # px
RIDGE_ROW, RIDGE_PEAK = 34, 30  # px
MOST_RIDGES = 8
CURVE_HEIGHT = 150  # px of the plot alone


def kept_bar(kept: float) -> Markup:
    """Draw what is left of a whole, both as bars from zero."""
    return svg.drawing(
        svg.tag("rect", x="0", y="3", width="100%", height="10", rx="3", class_="rest"),
        svg.tag(
            "rect",
            x="0",
            y="3",
            width=svg.share(100 * min(1.0, max(kept, 0.0))),
            height="10",
            rx="3",
            class_="fill",
        ),
        height=16,
        alt=f"{formats.percent(kept, 0)} left",
    )


def change_bar(value: float, widest: float) -> Markup:
    """Draw a change around a middle line: losses to the left, gains to the right."""
    half = 50 * min(1.0, abs(value) / widest) if widest else 0.0
    return svg.drawing(
        svg.tag("line", x1="50%", x2="50%", y1="0", y2="16", class_="axis"),
        svg.tag(
            "rect",
            x=svg.share(50 - half if value < 0 else 50),
            y="3",
            width=svg.share(half),
            height="10",
            class_="loss" if value < 0 else "gain",
        ),
        height=16,
        alt=formats.difference(value, fraction=True),
    )


def score_steps(steps: Sequence[Step]) -> Markup:
    """Draw the score from step to step, top to bottom, as joined dots."""
    shown = [s for s in steps if s.validation is not None or s.test is not None]
    if not shown:
        return Markup("")
    values = [v for s in shown for v in (s.validation, s.test) if v is not None]
    fraction = formats.is_fraction(shown[0].metric, *values)
    low, high = _padded(min(values), max(values))
    height = STEP_ROW * len(shown)
    marks = _grid(low, high, height, fraction=fraction)
    for field in ("validation", "test"):
        marks += _joined_dots(shown, field, low, high)
    for index, step in enumerate(shown):
        marks += _step_texts(step, index, fraction=fraction)
    sentence = "; ".join(_said(step, fraction=fraction) for step in shown)
    return svg.drawing(*marks, height=height + 22, alt=f"Score by step. {sentence}.")


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
        marks.append(_vertical(x, 14, height + 8))
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
    low, high = _padded(min(values), max(values))
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
    """Draw one filled outline; heights are square roots, so that tails stay seen."""
    widths = [b - a for a, b in itertools.pairwise(histogram.edges)]
    dense = [
        (count / width) ** 0.5 if width > 0 and count > 0 else 0.0
        for count, width in zip(histogram.counts, widths, strict=True)
    ]
    top = max(dense, default=0.0) or 1.0

    def across(edge: float) -> float:
        return svg.PANEL * (edge - low) / (high - low)

    points: list[tuple[float, float] | None] = [(across(histogram.edges[0]), svg.PANEL)]
    for index, value in enumerate(dense):
        level = svg.PANEL * (1 - value / top)
        points.append((across(histogram.edges[index]), level))
        points.append((across(histogram.edges[index + 1]), level))
    points.append((across(histogram.edges[-1]), svg.PANEL))
    near = histogram.near_zero
    return [
        svg.text(histogram.label, 25, baseline - 4, class_="note", anchor="end"),
        svg.panel(
            svg.tag("path", d=svg.path(points, closed=True), class_="ridge"),
            x=27,
            width=59,
            y=baseline - RIDGE_PEAK,
            height=RIDGE_PEAK,
        ),
        svg.text(
            "" if near is None else formats.percent(near, 0),
            100,
            baseline - 4,
            class_="value",
            anchor="end",
        ),
    ]


def _spread(items: Sequence[Histogram], most: int) -> list[Histogram]:
    """Take at most `most` items, evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _grid(low: float, high: float, height: float, *, fraction: bool) -> list[Markup]:
    marks = []
    for tick in svg.ticks(low, high, most=5):
        x = 2 + 96 * (tick - low) / (high - low)
        label = f"{100 * tick:g} %" if fraction else f"{tick:g}"
        marks.append(_vertical(x, 0, height))
        anchor = "middle" if 6 < x < 94 else ("start" if x < 50 else "end")
        marks.append(svg.text(label, x, height + 16, class_="note", anchor=anchor))
    return marks


def _vertical(x: float, top: float, bottom: float) -> Markup:
    return svg.tag(
        "line",
        x1=svg.share(x),
        x2=svg.share(x),
        y1=f"{top:g}",
        y2=f"{bottom:g}",
        class_="grid",
    )


def _joined_dots(
    steps: Sequence[Step], field: str, low: float, high: float
) -> list[Markup]:
    dots: list[tuple[str, float]] = []
    for index, step in enumerate(steps):
        value = getattr(step, field)
        if value is not None:
            x = svg.share(2 + 96 * (value - low) / (high - low))
            dots.append((x, STEP_ROW * index + 32))
    joins = [
        svg.tag("line", x1=a[0], y1=a[1], x2=b[0], y2=b[1], class_=f"join {field}")
        for a, b in itertools.pairwise(dots)
    ]
    size = 5 if field == "validation" else 4
    circles = [
        svg.tag("circle", cx=x, cy=y, r=size, class_=f"dot {field}") for x, y in dots
    ]
    return [*joins, *circles]


def _step_texts(step: Step, index: int, *, fraction: bool) -> list[Markup]:
    y = STEP_ROW * index + 16
    spans: list[str] = []
    for field, mark in (
        ("validation", "\N{BLACK CIRCLE}"),
        ("test", "\N{WHITE CIRCLE}"),
    ):
        value = getattr(step, field)
        if value is not None:
            spans += [
                svg.tag("tspan", mark, class_=f"mark {field}"),
                f" {formats.score(value, fraction=fraction)}   ",
            ]
    label = f"{step.stage}: {step.name}" if step.inner else step.name
    kind = "halo label inner" if step.inner else "halo label"
    return [
        svg.text(label, 0, y, class_=kind, anchor="start"),
        svg.tag(
            "text",
            *spans[:-1],
            spans[-1].rstrip(),
            x="100%",
            y=y,
            class_="halo value",
            text_anchor="end",
        ),
    ]


def _said(step: Step, *, fraction: bool) -> str:
    value = step.test if step.test is not None else step.validation
    return f"{step.name}: {formats.score(value, fraction=fraction)}"
