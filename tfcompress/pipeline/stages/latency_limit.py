"""What a limit in milliseconds adds to a search: budget, and the finalists' times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import android_bench
from tfcompress import amc, channels, errors, graph, latency
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
        The limit, where it holds, and a row per plan; None without such a limit. If a
        device cannot measure them now, there are predictions only, and the reason: a
        search is not lost with a cable.
    """
    if config.latency_table is None:
        return None
    table = latency.Table.load(config.latency_table)
    episodes = _best_different(result, config.finalists)
    kept = [result.widths(episode) for episode in episodes]
    measured: list[float | None] = [None] * len(kept)
    not_measured = None
    try:
        measured = _measured(config, layer_graph, kept, table)
    except (errors.BenchmarkError, android_bench.BenchmarkError) as error:
        if table.conditions.target == HOST:
            raise
        not_measured = str(error)
    return {
        "limit_ms": config.milliseconds,
        "where": table.conditions.where,
        "target": table.conditions.target,
        "recipe": table.conditions.recipe,
        "num_threads": table.conditions.num_threads,
        "not_measured": not_measured,
        "plans": [
            {
                "episode": episode["episode"],
                "metric": episode["metric"],
                "predicted_ms": episode["custom"][0],
                "measured_ms": ms,
            }
            for episode, ms in zip(episodes, measured, strict=True)
        ],
    }


def _measured(
    config: SearchConfig,
    layer_graph: graph.LayerGraph,
    kept: Sequence[Mapping[str, int]],
    table: latency.Table,
) -> list[float | None]:
    """Measure plans on the table's target, as the table was."""
    conditions, measure = table.conditions, None
    if conditions.target != HOST:
        measure = latency.on_device(
            conditions.target,
            delegate=conditions.delegate,
            num_threads=conditions.num_threads,
            runner=config.runner,
            runner_file=config.runner_file,
            library=config.library,
            apk=config.apk,
        )
        now = measure.conditions(conditions.recipe)
        if now != conditions:
            raise errors.BenchmarkError(
                "The table was measured under other conditions. Received: "
                f"{now.device} with {now.runtime}; the table is of "
                f"{conditions.device} with {conditions.runtime}. Name its runner with "
                "`--runner`."
            )
    timed = latency.remeasure(layer_graph, kept, table, measure=measure)
    return [plan.measured_ms for plan in timed]


def _best_different(result: amc.AmcResult, count: int) -> list[dict[str, Any]]:
    different: dict[str, dict[str, Any]] = {}
    for record in sorted(result.history, key=lambda record: -record["reward"]):
        different.setdefault(record["widths"], record)
    return list(different.values())[:count]
