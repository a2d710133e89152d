"""Predict the milliseconds of a plan, and limit them by a budget."""

from __future__ import annotations

import dataclasses
import json
import weakref

import numpy as np
import numpy.typing as npt

from tfcompress import files, graph
from tfcompress.channels import Budget
from tfcompress.config import require
from tfcompress.graph.tracing import BoolArray
from tfcompress.latency import corrections
from tfcompress.latency.corrections import BYTES, START, FloatArray
from tfcompress.latency.lookups import Lookup
from tfcompress.latency.operators import find_operators
from tfcompress.latency.table import SHARED, Correction, Table


class Predictor:
    """Predicts plans of one graph by one table.

    Args:
        layer_graph: The traced model.
        table: Measured operators.

    Attributes:
        uncovered: For each layer that the table cannot have, its class. What it takes
            is in the prediction only as far as the correction found it.

    Raises:
        BenchmarkError: If an operator of the model was not measured.
    """

    def __init__(self, layer_graph: graph.LayerGraph, table: Table) -> None:
        found = find_operators(layer_graph)
        self.uncovered = found.uncovered
        self._lookup = Lookup(found.operators, table)
        places = [corrections.sum_of(operator.family) for operator in found.operators]
        self._places: npt.NDArray[np.int64] = np.array(places, np.int64)
        self._item_bytes = BYTES[table.conditions.recipe]
        self._names = [operator.layer for operator in found.operators]
        self._coefficients = np.array(START)
        self.use(_correction(table, layer_graph))

    def use(self, correction: Correction | None) -> None:
        """Correct the sums from now on, or not at all."""
        if correction is not None:
            given = correction.coefficients
            self._coefficients = np.array([given[n] for n in corrections.FEATURES])
        else:
            self._coefficients = np.array(START)

    def features(self, kept: BoolArray) -> FloatArray:
        """Return the features that the correction weighs.

        Args:
            kept: `LayerGraph.kept_atoms` of a plan.
        """
        readings = self._lookup.read(kept)
        return corrections.features(readings, self._places, item_bytes=self._item_bytes)

    def predict(self, kept: BoolArray) -> float:
        """Return the milliseconds of one inference of what is kept."""
        row = self.features(kept)
        plain = float(row[: len(corrections.SUMS)].sum())
        return max(float(row @ self._coefficients), plain / 2)

    def by_layer(self, kept: BoolArray) -> dict[str, float]:
        """Return the table's milliseconds of each layer, without the correction."""
        found: dict[str, float] = {}
        times = self._lookup.read(kept).latency_ms
        for name, ms in zip(self._names, times.tolist(), strict=True):
            found[name] = found.get(name, 0.0) + ms
        return found


def predict(
    layer_graph: graph.LayerGraph, plan: graph.PruningPlan | None, table: Table
) -> float:
    """Predict how many milliseconds the model takes that a plan leaves.

    Pass the same graph and table objects when asking more than once: what does not
    depend on the plan is worked out only once for them.

    Args:
        layer_graph: The traced model.
        plan: What is kept; None for the whole model.
        table: From `build_table`, or `Table.load`.

    Raises:
        BenchmarkError: If an operator of the model was not measured, or a layer has no
            rule and the table's correction is not of this model.
    """
    return predictor(layer_graph, table).predict(layer_graph.kept_atoms(plan))


def predictor(layer_graph: graph.LayerGraph, table: Table) -> Predictor:
    """Return the predictor of a graph and a table, made on first use.

    Raises:
        BenchmarkError: See `predict`.
    """
    by_graph = _CACHE.setdefault(table, weakref.WeakKeyDictionary())
    found = by_graph.get(layer_graph)
    if found is None:
        if layer_graph.fingerprint not in table.corrections:
            find_operators(layer_graph).refuse_uncovered()
        found = by_graph[layer_graph] = Predictor(layer_graph, table)
    return found


_CACHE: weakref.WeakKeyDictionary[
    Table, weakref.WeakKeyDictionary[graph.LayerGraph, Predictor]
] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, eq=False)
class LatencyCost:
    """A cost function of (graph, plan) for a `Budget`: predicted milliseconds."""

    table: Table
    __name__ = "latency_ms"

    @property
    def fingerprint(self) -> str:
        """What a search depends on besides the name."""
        return files.fingerprint(json.dumps(self.table.to_dict(), sort_keys=True))

    def __call__(self, layer_graph: graph.LayerGraph, plan: graph.PruningPlan) -> float:
        """Return the predicted milliseconds."""
        return predict(layer_graph, plan, self.table)


def budget(
    table: Table,
    *,
    milliseconds: float,
    macs: float | None = None,
    params: float | None = None,
    size_bytes: float | None = None,
) -> Budget:
    """Limit a search by predicted milliseconds, and by other costs if wanted.

    Args:
        table: Measured operators of the target.
        milliseconds: The most that one inference may take there.
        macs: See `tfcompress.Budget`.
        params: Likewise.
        size_bytes: Likewise, stored by the table's recipe.

    Raises:
        ConfigError: If a limit is not above 0.
    """
    require(milliseconds > 0, "milliseconds", milliseconds, "above 0")
    return Budget(
        macs=macs,
        params=params,
        size_bytes=size_bytes,
        recipe=table.conditions.recipe,
        custom=((LatencyCost(table), milliseconds),),
    )


def _correction(table: Table, layer_graph: graph.LayerGraph) -> Correction | None:
    own = table.corrections.get(layer_graph.fingerprint)
    return own or table.corrections.get(SHARED)
