"""Bars and the score from step to step: inline SVG that follows the page's theme.

Each function takes plain values and returns markup with a text for people who do not
see it.  Plots for a README, as files, are in `figures`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from tfcompress.report import formats, svg
from tfcompress.report.progress import Step

STEP_ROW = 46  # px
LONGEST_LABEL = 38  # characters: what a phone has room for


def kept_bar(kept: float) -> Markup:
    """Draw what is left of a whole, both as bars from zero."""
    alt = f"{formats.percent(kept, 0)} left"
    return svg.drawing(*_bars(kept), height=16, alt=alt)


def zeros_bar(share: float) -> Markup:
    """Draw the zeros among the weights of a layer, both as bars from zero."""
    return svg.drawing(*_bars(share), height=16, alt=f"{formats.percent(share)} zero")


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


def length_bar(
    value: float, widest: float, alt: str, *, marked: bool = False
) -> Markup:
    """Draw a length from the left; a marked one in the colour of a gain."""
    share = 100 * min(1.0, value / widest) if widest else 0.0
    return svg.drawing(
        svg.tag(
            "rect",
            x="0",
            y="3",
            width=svg.share(share),
            height="10",
            class_="gain" if marked else "fill",
        ),
        height=16,
        alt=alt,
    )


def score_steps(steps: Sequence[Step]) -> Markup:
    """Draw the score from step to step, top to bottom, as joined dots."""
    shown = [s for s in steps if s.validation is not None or s.test is not None]
    if not shown:
        return Markup("")
    values = [v for s in shown for v in (s.validation, s.test) if v is not None]
    fraction = formats.is_fraction(shown[0].metric, *values)
    low, high = svg.padded(min(values), max(values))
    height = STEP_ROW * len(shown)
    marks = _grid(low, high, height, fraction=fraction)
    for field in ("validation", "test"):
        marks += _joined_dots(shown, field, low, high)
    for index, step in enumerate(shown):
        marks += _step_texts(step, index, fraction=fraction)
    sentence = "; ".join(_said(step, fraction=fraction) for step in shown)
    return svg.drawing(*marks, height=height + 22, alt=f"Score by step. {sentence}.")


def _bars(share: float) -> list[Markup]:
    """Draw a whole and a part of it, one over the other."""
    size = {"x": "0", "y": "3", "height": "10", "rx": "3"}
    part = svg.share(100 * min(1.0, max(share, 0.0)))
    return [
        svg.tag("rect", width="100%", **size, class_="rest"),
        svg.tag("rect", width=part, **size, class_="fill"),
    ]


def _grid(low: float, high: float, height: float, *, fraction: bool) -> list[Markup]:
    marks = []
    for tick in svg.ticks(low, high, most=5):
        x = 2 + 96 * (tick - low) / (high - low)
        label = f"{100 * tick:g} %" if fraction else f"{tick:g}"
        marks.append(svg.vertical(x, 0, height))
        anchor = "middle" if 6 < x < 94 else ("start" if x < 50 else "end")
        marks.append(svg.text(label, x, height + 16, class_="note", anchor=anchor))
    return marks


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
        svg.text(svg.short(label, LONGEST_LABEL), 0, y, class_=kind, anchor="start"),
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
