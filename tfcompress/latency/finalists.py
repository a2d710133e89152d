"""Measure the plans that a search ended with, beside what the table predicted.

A search asks the table thousands of times and believes it; the few plans that it would
choose are worth a measurement of their own.
"""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

from tfcompress import graph
from tfcompress.latency import networks
from tfcompress.latency.building import host_measure
from tfcompress.latency.measuring import Measure
from tfcompress.latency.prediction import predict
from tfcompress.latency.table import Table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timed:
    """One plan: kept channels by group, predicted and measured milliseconds."""

    kept: dict[str, int]
    predicted_ms: float
    measured_ms: float


def remeasure(
    layer_graph: graph.LayerGraph,
    kept: Sequence[Mapping[str, int]],
    table: Table,
    *,
    measure: Measure | None = None,
) -> list[Timed]:
    """Cut, convert and measure plans on the table's target.

    Args:
        layer_graph: The traced model.
        kept: For each plan, how many channels each group keeps; a group that is not
            named stays whole. Which channels does not matter to the time.
        table: What predicts.
        measure: Times files on the table's target; this host's runtime if None.

    Raises:
        BenchmarkError: If a file cannot be measured.
        ConfigError: If the table is of a device, and `measure` is None.
    """
    conditions = table.conditions
    measure = measure or host_measure(
        conditions.target, conditions.delegate, conditions.num_threads
    )
    plans = [networks.plan_of(layer_graph, {"kept": counts}) for counts in kept]
    with tempfile.TemporaryDirectory() as folder:
        paths = networks.write_plans(
            layer_graph,
            plans,
            pathlib.Path(folder),
            recipe=conditions.recipe,
            convert=True,
        )
        lowest = networks.measure_passes(paths, measure).min(axis=0)
    return [
        Timed(
            kept=dict(counts),
            predicted_ms=predict(layer_graph, plan, table),
            measured_ms=float(ms),
        )
        for counts, plan, ms in zip(kept, plans, lowest, strict=True)
    ]
