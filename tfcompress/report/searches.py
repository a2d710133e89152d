"""What a search tried and found: plans, rewards, and the baselines beside it.

A stage that searches records ``details.search``: one row per episode, in order, and one
row per baseline that was measured on the same examples under the same budget.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from tfcompress.report import formats
from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Stage

_REWARDS = {
    "error": "\N{MINUS SIGN}error",
    "macs": "\N{MINUS SIGN}error · ln(MACs)",
    "params": "\N{MINUS SIGN}error · ln(parameters)",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """One plan that was tried; the first episode has number 1."""

    number: int
    reward: float | None
    best_reward: float | None
    metric: float | None
    macs: float | None
    params: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """A way to choose a plan, and what its best one came to.

    Attributes:
        name: Such as ``uniform``; the search itself is called by its stage's kind.
        best_rewards: The best reward after each evaluation; one value, or none, for a
            method that does not search.
        widths: Channels kept per decision, in the order of the search's.
    """

    name: str
    reward: float | None
    metric: float | None
    macs: float | None
    params: float | None
    evaluations: int | None
    best_rewards: tuple[float | None, ...] = ()
    widths: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """How much of one channel group, or layer, the chosen plan keeps."""

    name: str
    ratio: float
    layers: tuple[str, ...] = ()
    size: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """One search, ready to be shown.

    Attributes:
        warmup: Episodes of random plans before the agent learns.
        cost: What plans are compared by: ``macs``, or ``params`` where single weights
            are removed, which changes no MACs.
        cost_before: Cost of the original, which the plans are fractions of.
        limit: The budget, as a fraction of `cost_before`, if it limits this cost.
        found: The best plan, as a method beside `baselines`.
    """

    stage: str
    metric: str
    fraction: bool
    higher_is_better: bool
    reward: str
    warmup: int
    evaluations: int | None
    num_examples: int | None
    cost: Literal["macs", "params"]
    cost_before: float | None
    limit: float | None
    metric_before: float | None
    found: Method
    episodes: tuple[Episode, ...]
    baselines: tuple[Method, ...]
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]

    @property
    def methods(self) -> tuple[Method, ...]:
        """The baselines and, last, what was found."""
        return (*self.baselines, self.found)

    @property
    def summary(self) -> str:
        """What was tried and found, in one or two sentences."""
        count = len(self.episodes)
        tried = f"{count:,} plans were tried" if count != 1 else "1 plan was tried"
        if self.evaluations and self.evaluations < count:
            tried += f", {self.evaluations:,} of them different"
        if self.num_examples:
            tried += f", each judged on {self.num_examples:,} held-out examples"
        best = formats.score(self.found.metric, fraction=self.fraction)
        name = self.metric.replace("_", " ")
        share = self.share(self.found)
        left = f" with {formats.percent(share)} of the {self.cost_name}"
        at = "" if share is None else left
        whole = ""
        if self.metric_before is not None:
            before = formats.score(self.metric_before, fraction=self.fraction)
            whole = f"; the uncut network has {before}"
        return f"{tried}. The best has {best} {name}{at}, before any training{whole}."

    @property
    def cost_name(self) -> str:
        """The name of the cost, as a reader knows it."""
        return "MACs" if self.cost == "macs" else "weights"

    def share(self, plan: Episode | Method) -> float | None:
        """Return a plan's cost as a fraction of the original's; ``None`` if unknown."""
        value: float | None = getattr(plan, self.cost)
        return value / self.cost_before if value and self.cost_before else None

    def point(self, plan: Episode | Method) -> tuple[float, float] | None:
        """Return cost left, as a fraction, and metric; ``None`` if unknown."""
        share = self.share(plan)
        return None if share is None or plan.metric is None else (share, plan.metric)

    @property
    def points(self) -> list[tuple[float, float]]:
        """Cost left and metric of every different plan that was tried, in order."""
        found = (self.point(episode) for episode in self.episodes)
        return list(dict.fromkeys(point for point in found if point))

    @property
    def front(self) -> list[tuple[float, float]]:
        """The points that no other beats in both cost and metric, cheapest first."""
        sign = 1 if self.higher_is_better else -1
        best: list[tuple[float, float]] = []
        for share, value in sorted(self.points, key=lambda p: (p[0], -sign * p[1])):
            if not best or sign * value > sign * best[-1][1]:
                best.append((share, value))
        return best

    @property
    def uniform_ratios(self) -> list[float]:
        """What the baseline `uniform` keeps of each layer; empty if not recorded."""
        uniform = next((m for m in self.baselines if m.name == "uniform"), None)
        sizes = [decision.size or 0 for decision in self.decisions]
        if uniform is None or len(uniform.widths) != len(sizes) or 0 in sizes:
            return []
        pairs = zip(uniform.widths, sizes, strict=True)
        return [min(1.0, width / size) for width, size in pairs]


def searches(run: Run) -> list[Search]:
    """Return every search of a run, in the order of the stages."""
    found = [_search(run, stage) for stage in run.stages]
    return [search for search in found if search]


def _search(run: Run, stage: Stage) -> Search | None:
    reader = stage.details.inside("search")
    if not reader.values:
        return None
    original = next(iter(run.find("original")), None)
    before, limits = reader.inside("original"), reader.inside("limits")
    episodes = tuple(
        _episode(item, number)
        for number, item in enumerate(reader.items("history"), start=1)
    )
    cost: Literal["macs", "params"] = (
        "params" if reader.text("granularity") == "weights" else "macs"
    )
    known_cost = getattr(original, cost) if original else None
    cost_before = before.number(cost) or known_cost
    metric = reader.text("metric") or "metric"
    up = reader.flag("higher_is_better")
    known = [e.metric for e in episodes]
    return Search(
        stage=stage.name,
        metric=metric,
        fraction=formats.is_fraction(metric, *known),
        higher_is_better=True if up is None else up,
        reward=_REWARDS.get(reader.text("reward") or "", "reward"),
        warmup=int(reader.number("warmup_episodes") or 0),
        evaluations=_whole(reader.number("evaluations")),
        num_examples=_whole(reader.number("num_examples")),
        cost=cost,
        cost_before=cost_before,
        limit=_share(limits.number(cost), cost_before),
        metric_before=before.number("metric"),
        found=dataclasses.replace(
            _method(reader.inside("best"), name=stage.kind), evaluations=len(episodes)
        ),
        episodes=episodes,
        baselines=tuple(_method(item) for item in reader.items("baselines")),
        decisions=tuple(_decision(item) for item in reader.items("decisions")),
        notes=(*_timed(reader.inside("latency")), *reader.texts("notes")),
    )


def _timed(reader: Reader) -> list[str]:
    """Say of each measured finalist what was predicted, and where it was measured."""
    limit = reader.number("limit_ms")
    if limit is None:
        return []
    place = (reader.text("where") or "unknown").replace("_", " ")
    threads = reader.count("num_threads")
    lines = [
        (
            f"Limit: {limit:.3g} ms {place} latency, {reader.text('recipe')} files, "
            f"{threads} thread{'s'[: threads > 1]}, predicted by a table of operators."
        )
    ]
    for item in reader.items("plans"):
        predicted, measured = item.number("predicted_ms"), item.number("measured_ms")
        if predicted is None:
            continue
        line = f"Plan {item.count('episode')}: predicted {predicted:.3f} ms, "
        if measured is None:
            lines.append(line + "not measured.")
        else:
            off = formats.percent(predicted / measured - 1)
            lines.append(
                line + f"measured {measured:.3f} ms (prediction off by {off})."
            )
    if reason := reader.text("not_measured"):
        lines.append(f"The plans were not measured on the device: {reason}")
    return lines


def _episode(reader: Reader, number: int) -> Episode:
    return Episode(
        number=number,
        reward=reader.number("reward"),
        best_reward=reader.number("best_reward"),
        metric=reader.number("metric"),
        macs=reader.number("macs"),
        params=reader.number("params"),
    )


def _method(reader: Reader, *, name: str = "unnamed") -> Method:
    widths = reader.numbers("widths")
    return Method(
        name=reader.text("method") or name,
        reward=reader.number("reward"),
        metric=reader.number("metric"),
        macs=reader.number("macs"),
        params=reader.number("params"),
        evaluations=_whole(reader.number("evaluations")),
        best_rewards=tuple(reader.numbers("best_rewards")),
        widths=tuple(int(width) for width in widths if width is not None),
    )


def _decision(reader: Reader) -> Decision:
    ratio, size = reader.number("ratio"), reader.number("size")
    if ratio is None and size:
        ratio = reader.count("kept") / size
    if ratio is None or not 0 <= ratio <= 1:
        reader.refuse("ratio", ratio, "a fraction in [0, 1]")
    return Decision(
        name=reader.text("group", "layer") or "unnamed",
        ratio=ratio,
        layers=tuple(reader.texts("layers")),
        size=_whole(size),
    )


def _share(limit: Any, whole: float | None) -> float | None:
    """Read a limit as budgets do: up to 1 a fraction, above 1 an absolute number."""
    if limit is None:
        return None
    if limit <= 1:
        return float(limit)
    return limit / whole if whole else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
