"""Build a latency table, or extend one; a killed build goes on where it was.

The steps, each written down before the next begins:

1. Every family of operators of the models, at every knot of the grid (`grids`).
2. Files of these operators are written and measured, some dozen at a time.
3. Some random plans of each model are cut, converted and measured whole, and the
   correction is fitted to them (`corrections`).
"""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfcompress import errors, files, graph
from tfcompress.config import require
from tfcompress.graph.tracing import as_graph
from tfcompress.latency import corrections, networks, points, prediction, sampling
from tfcompress.latency.grids import Grid
from tfcompress.latency.measuring import HostMeasure, Measure
from tfcompress.latency.operators import find_operators
from tfcompress.latency.table import SHARED, Conditions, Table

PathLike = str | os.PathLike[str]
TABLE = "table.json"
"""Name of the table in a run directory."""

HOST = "host"

Report = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many are."""


def build_table(  # noqa: PLR0913 - one call for the whole build
    models: Any,
    target: str = HOST,
    *,
    recipe: str = "float32",
    num_threads: int = 1,
    delegate: str = "cpu",
    grid: Grid | None = None,
    num_networks: int = 16,
    run_dir: PathLike | None = None,
    measure: Measure | None = None,
    conditions: Conditions | None = None,
    seed: int = 0,
    allow_uncovered: bool = False,
    report: Report | None = None,
) -> Table:
    """Measure every operator that pruning the models can leave, on one target.

    Models that share families of operators share their measurements. On a run
    directory that holds a table of the same conditions, only what is missing is
    measured; so is what a killed build has left to do.

    Args:
        models: One model or more, or their graphs, with fixed input shapes.
        target: ``"host"``, or the serial of the device that `measure` runs on.
        recipe: ``float32``, ``float16`` or ``int8``.
        num_threads: Threads of the runtime.
        delegate: What runs the operators; the host has ``"cpu"``.
        grid: Channel counts to measure.
        num_networks: Random plans of each model to fit the correction to; 0 for none.
        run_dir: Where table and files are kept; nowhere if None.
        measure: Takes .tflite files, returns milliseconds; the host's if None.
        conditions: What `measure` holds for; made up from the arguments if None.
        seed: Of the random plans.
        allow_uncovered: Accept layers whose operators are not known. They are not in
            the sum; the networks that the correction is fitted to, which are then cut
            and converted, have them.
        report: Told how far the build is.

    Raises:
        ConfigError: If a setting is out of range, or the run directory holds a table
            of other conditions.
        BenchmarkError: If a layer has no rule, or a file cannot be measured.
        LockedError: If another process builds in the run directory.
        ModelError: If a model cannot be traced or has open dimensions.
    """
    require(num_threads >= 1, "num_threads", num_threads, "1 or more")
    least = int(allow_uncovered)
    require(num_networks >= least, "num_networks", num_networks, f"{least} or more")
    conditions = conditions or _conditions(target, recipe, num_threads, delegate)
    measure = measure or host_measure(target, delegate, num_threads)
    graphs = [as_graph(model) for model in _sequence(models)]
    for layer_graph in graphs if not allow_uncovered else ():
        find_operators(layer_graph).refuse_uncovered()
    if run_dir is None:
        with tempfile.TemporaryDirectory() as folder:
            build = _Build(pathlib.Path(folder), conditions, measure, report or _silent)
            return build.run(graphs, grid or Grid(), num_networks, seed)
    with files.lock(run_dir):
        build = _Build(pathlib.Path(run_dir), conditions, measure, report or _silent)
        return build.run(graphs, grid or Grid(), num_networks, seed)


class _Build:
    """One build in one folder."""

    def __init__(
        self,
        folder: pathlib.Path,
        conditions: Conditions,
        measure: Measure,
        report: Report,
    ) -> None:
        self._folder, self._measure, self._report = folder, measure, report
        path = folder / TABLE
        self.table = Table.load(path) if path.exists() else Table(conditions=conditions)
        conditions.refuse_others(self.table.conditions, str(path))

    def run(
        self,
        graphs: Sequence[graph.LayerGraph],
        grid: Grid,
        num_networks: int,
        seed: int,
    ) -> Table:
        points.measure_points(
            self.table,
            points.wanted_points(graphs, grid),
            self._measure,
            save=self._save,
            progress=lambda done, total: self._report("operators", done, total),
        )
        for layer_graph in graphs:
            self._measure_networks(layer_graph, num_networks, seed)
        fit_corrections(self.table, graphs)
        self._save()
        return self.table

    def _measure_networks(
        self, layer_graph: graph.LayerGraph, number: int, seed: int
    ) -> None:
        known = self.table.networks.get(layer_graph.fingerprint, [])
        if len(known) >= number:
            return
        plans = sampling.random_plans(layer_graph, number, seed=seed)
        paths = networks.write_plans(
            layer_graph,
            plans,
            self._folder / "networks",
            recipe=self.table.conditions.recipe,
            progress=lambda done, total: self._report("networks", done, total),
        )
        found = networks.measured(plans, paths, self._measure)
        self.table.networks[layer_graph.fingerprint] = found
        self._save()

    def _save(self) -> None:
        self.table.save(self._folder / TABLE)


def fit_corrections(table: Table, graphs: Sequence[graph.LayerGraph]) -> None:
    """Fit each graph's correction, and the shared one, to the measured networks."""
    all_rows: list[corrections.FloatArray] = []
    all_times: list[float] = []
    for layer_graph in graphs:
        records = table.networks.get(layer_graph.fingerprint, [])
        if not records:
            continue
        uncorrected = prediction.Predictor(layer_graph, table)
        plans = [networks.plan_of(layer_graph, record) for record in records]
        rows = [uncorrected.features(layer_graph.kept_atoms(plan)) for plan in plans]
        times = [record["latency_ms"] for record in records]
        table.corrections[layer_graph.fingerprint] = corrections.fit(rows, times)
        all_rows, all_times = all_rows + rows, all_times + times
    if all_rows:
        table.corrections[SHARED] = corrections.fit(all_rows, all_times)


def _sequence(models: Any) -> list[Any]:
    one = isinstance(models, keras.Model | graph.LayerGraph)
    return [models] if one else list(models)


def _silent(what: str, done: int, total: int) -> None:
    """Report to nobody."""


def _conditions(
    target: str, recipe: str, num_threads: int, delegate: str
) -> Conditions:
    on_host = target == HOST
    version = importlib.metadata.version("ai-edge-litert")
    return Conditions(
        target=target,
        where="host" if on_host else "device",
        recipe=recipe,
        num_threads=num_threads,
        delegate=delegate,
        device=platform.machine() if on_host else "",
        runtime=f"ai-edge-litert {version}" if on_host else "",
    )


def host_measure(target: str, delegate: str, num_threads: int) -> Measure:
    """Return how this host is measured.

    Raises:
        ConfigError: If the target is another one, or not its CPU.
    """
    if target != HOST or delegate != "cpu":
        raise errors.ConfigError(
            "Only the host's CPU can be measured without being told how. Received: "
            f"target={target!r}, delegate={delegate!r}; expected 'host' and 'cpu'. "
            "Pass `measure=`, a function of .tflite paths that returns milliseconds."
        )
    return HostMeasure(num_threads=num_threads)
