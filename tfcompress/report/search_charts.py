"""What a search did, as charts: rewards, the race with the baselines, ratios, plans.

Every function takes a `Search` and returns inline SVG, or nothing where the records do
not hold enough for the chart.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tfcompress.report import formats, svg
from tfcompress.report.plots import BESIDE_NAMES, HEIGHT, LEFT, TOP, Plot, Point
from tfcompress.report.searches import Method, Search

MOST_COLUMN_NAMES = 6  # columns whose names a phone has room for
NOTHING = Markup("")
Series = Sequence[float | None]


def rewards(search: Search) -> Markup:
    """Draw the reward of every episode, and the best one so far."""
    known = [(e.number, e.reward) for e in search.episodes if e.reward is not None]
    best = [e.best_reward for e in search.episodes]
    so_far = [value for value in best if value is not None]
    if not known or not so_far:
        return NOTHING
    count = len(search.episodes)
    values = [reward for _, reward in known]
    plot = Plot(x=(1, count), y=svg.padded(min(values), max(values)))
    marks = [*_warmup(plot, search.warmup), *plot.levels(), *plot.counts()]
    marks += [plot.dot((number, reward), 2.2, "try") for number, reward in known]
    marks.append(plot.line(_numbered(best), "line best"))
    alt = (
        f"Reward of {count} episodes; the best so far goes from {so_far[0]:.4g} to "
        f"{so_far[-1]:.4g}."
    )
    return plot.drawing(marks, alt)


def race(search: Search) -> Markup:
    """Draw the best reward so far of each searching method; the others are levels.

    What lies far below the end of the race, which decides, is cut off.
    """
    series = {method: _series(search, method) for method in search.methods}
    series = {method: values for method, values in series.items() if values}
    if len(series) < 2:
        return NOTHING
    ends = {method: values[-1] for method, values in series.items()}
    low, high = min(ends.values()), max(ends.values())
    margin = 0.35 * (high - low) or 0.05 * abs(high) or 0.05
    count = max(map(len, series.values()))
    plot = Plot(x=(1, count), y=(low - margin, high + margin / 3), right=BESIDE_NAMES)
    marks = [*plot.levels(), *plot.counts()]
    names: list[tuple[Point, str, str]] = []
    for method, values in series.items():
        kind = _kind(search, method, values)
        points = values if len(values) > 1 else [values[0]] * count
        marks.append(plot.line(_numbered(points), f"line {kind}"))
        names.append(((len(points), ends[method]), method.name, f"name {kind}"))
    said = ", ".join(f"{m.name} {end:.4g}" for m, end in ends.items())
    alt = f"Best reward so far by number of plans tried. At the end: {said}."
    return plot.drawing([*marks, *plot.names(names)], alt)


def columns(search: Search) -> Markup:
    """Draw how much of each layer is kept, in the order of the decisions."""
    count = len(search.decisions)
    if not count:
        return NOTHING
    plot = Plot(x=(0, count), y=(0.0, 1.0))
    marks = plot.levels(fraction=True)
    for index, decision in enumerate(search.decisions):
        marks.append(plot.bar((index + 0.12, index + 0.88), decision.ratio, "fill"))
    for index, ratio in enumerate(search.uniform_ratios):
        marks.append(plot.level((index, index + 1), ratio, "uniform"))
    step = 1 if count <= 20 else 5
    for index in range(0, count, step):
        named = count <= MOST_COLUMN_NAMES
        label = svg.short(search.decisions[index].name, 9) if named else f"{index + 1}"
        x, y = plot.across(index + 0.5), TOP + HEIGHT + 16
        marks.append(svg.text(label, x, y, class_="note", anchor="middle"))
    said = ", ".join(
        f"{d.name} {formats.percent(d.ratio, 0)}" for d in search.decisions
    )
    return plot.drawing(marks, f"Kept of each layer, in order: {said}.")


def cloud(search: Search) -> Markup:
    """Draw all different plans by cost and metric, and those that no other beats."""
    plans = search.points
    named = {m: point for m in search.methods if (point := search.point(m))}
    if len(plans) < 2:
        return NOTHING
    shares, scores = zip(*plans, *named.values(), strict=True)
    plot = Plot(
        x=svg.padded(min(shares), max(shares)),
        y=svg.padded(min(scores), max(scores)),
        right=BESIDE_NAMES,
    )
    marks = [*plot.levels(fraction=search.fraction), *plot.shares()]
    limit = search.limit
    if limit is not None and plot.x[0] < limit < plot.x[1]:
        marks.append(plot.upright(limit, "limit"))
    marks += [plot.dot(point, 2.2, "try") for point in plans]
    marks.append(plot.line(_stair(search.front), "line front"))
    ends = []
    for method, point in named.items():
        kind = "best" if method is search.found else "level"
        marks.append(plot.dot(point, 5.5 if kind == "best" else 4.5, f"plan {kind}"))
        ends.append((point, method.name, f"name {kind}"))
    return plot.drawing([*marks, *plot.names(ends)], _said(search, named))


def _said(search: Search, named: dict[Method, Point]) -> str:
    parts = [
        f"{method.name} {formats.score(value, fraction=search.fraction)} at "
        f"{formats.percent(share)}"
        for method, (share, value) in named.items()
    ]
    axes = f"{search.cost_name} and {search.metric}"
    return f"{len(search.points)} different plans by {axes}. {', '.join(parts)}."


def _series(search: Search, method: Method) -> list[float]:
    """Return the best reward after each evaluation; one value for a single plan."""
    own = [e.best_reward for e in search.episodes]
    found: Series = own if method is search.found else method.best_rewards
    known = [value for value in found if value is not None]
    return known or ([] if method.reward is None else [method.reward])


def _kind(search: Search, method: Method, values: Series) -> str:
    if method is search.found:
        return "best"
    return "rival" if len(values) > 1 else "level"


def _numbered(values: Series) -> list[Point | None]:
    return [
        None if value is None else (number, value)
        for number, value in enumerate(values, start=1)
    ]


def _stair(points: Sequence[Point]) -> list[Point]:
    """Join points by steps: a plan is the best of its cost until a better one comes."""
    found: list[Point] = []
    for share, value in points:
        if found:
            found.append((share, found[-1][1]))
        found.append((share, value))
    return found


def _warmup(plot: Plot, episodes: int) -> list[Markup]:
    if not 0 < episodes < plot.x[1]:
        return []
    area = plot.bar((plot.x[0], episodes), plot.y[1], "warmup")
    x, y = LEFT + 1, TOP + HEIGHT - 7
    return [area, svg.text("warm-up", x, y, class_="note", anchor="start")]
