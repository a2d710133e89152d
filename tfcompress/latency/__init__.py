"""Predict how long a pruned network takes on a target, without building it.

FLOPs are not milliseconds.  `build_table` measures every operator that pruning can
leave of some models, on one target; `predict` adds up a plan's operators; `budget`
limits a search by the sum, as `tfcompress.Budget` limits it by MACs::

    models -> operators -> small files -> measured -> Table -> predict, budget
              operators.py operator_files points.py   table.py  prediction.py

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfcompress import lazy

if TYPE_CHECKING:
    from tfcompress.latency.building import build_table
    from tfcompress.latency.device_measuring import DeviceMeasure, on_device
    from tfcompress.latency.finalists import Timed, remeasure
    from tfcompress.latency.grids import Grid
    from tfcompress.latency.measuring import HostMeasure, Measure
    from tfcompress.latency.prediction import budget, predict, predictor
    from tfcompress.latency.sampling import random_plans
    from tfcompress.latency.table import Conditions, Correction, Table

_NAMES = {
    "Conditions": "table",
    "Correction": "table",
    "DeviceMeasure": "device_measuring",
    "Grid": "grids",
    "HostMeasure": "measuring",
    "Measure": "measuring",
    "Table": "table",
    "Timed": "finalists",
    "budget": "prediction",
    "build_table": "building",
    "on_device": "device_measuring",
    "predict": "prediction",
    "predictor": "prediction",
    "random_plans": "sampling",
    "remeasure": "finalists",
}

__all__ = [
    "Conditions",
    "Correction",
    "DeviceMeasure",
    "Grid",
    "HostMeasure",
    "Measure",
    "Table",
    "Timed",
    "budget",
    "build_table",
    "on_device",
    "predict",
    "predictor",
    "random_plans",
    "remeasure",
]

__getattr__, __dir__ = lazy.names(__name__, _NAMES)
