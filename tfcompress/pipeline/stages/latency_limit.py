"""What a limit in milliseconds adds to a search: budget, and the finalists' times."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfcompress import amc, channels, graph, latency
from tfcompress.latency.building import HOST
from tfcompress.pipeline.settings import SearchConfig


def budget_of(config: SearchConfig) -> channels.Budget | None:
    """Return the limits of a search if milliseconds are among them.

    Raises:
        BenchmarkError: If the table cannot be read.
    """
    if config.latency_table is None or config.milliseconds is None:
        return None
    return latency.budget(
        latency.Table.load(config.latency_table),
        milliseconds=config.milliseconds,
        macs=config.macs,
        params=config.params,
        size_bytes=config.size_bytes,
    )


def finalists(
    config: SearchConfig, layer_graph: graph.LayerGraph, result: amc.AmcResult
) -> dict[str, Any] | None:
    """Measure the best different plans of a search under milliseconds, best first.

    Returns:
        The limit, where it holds, and a row per plan; None without such a limit. A
        table of another target than this computer gives predictions only.
    """
    if config.latency_table is None:
        return None
    table = latency.Table.load(config.latency_table)
    episodes = _best_different(result, config.finalists)
    kept = [result.widths(episode) for episode in episodes]
    if table.conditions.target == HOST:
        timed = [
            dataclasses.asdict(t) for t in latency.remeasure(layer_graph, kept, table)
        ]
    else:
        timed = [
            {"predicted_ms": e["custom"][0], "measured_ms": None} for e in episodes
        ]
    return {
        "limit_ms": config.milliseconds,
        "where": table.conditions.where,
        "target": table.conditions.target,
        "recipe": table.conditions.recipe,
        "num_threads": table.conditions.num_threads,
        "plans": [
            {
                "episode": e["episode"],
                "metric": e["metric"],
                "predicted_ms": t["predicted_ms"],
                "measured_ms": t["measured_ms"],
            }
            for e, t in zip(episodes, timed, strict=True)
        ],
    }


def _best_different(result: amc.AmcResult, count: int) -> list[dict[str, Any]]:
    different: dict[str, dict[str, Any]] = {}
    for record in sorted(result.history, key=lambda record: -record["reward"]):
        different.setdefault(record["widths"], record)
    return list(different.values())[:count]
