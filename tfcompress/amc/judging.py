"""Judge plans with an `evaluate`, on one model whose weights are assigned.

A user's `evaluate` gets that model, of the original's shape.  `HeldOut` can do with a
function, and gets one that computes no more than the plan leaves (`elastic`).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfcompress import errors, graph
from tfcompress.amc.elastic import ElasticForward, can_run

Evaluate = Callable[[keras.Model], float]
Repair = Callable[[graph.PruningPlan], graph.Weights]


class Judge:
    """Calls `evaluate` on what a plan leaves of a model.

    Args:
        layer_graph: The traced model; it is not changed.
        evaluate: Returns the metric of the model that it is given.
        repair: Returns full-size weights that make up for what a plan removes.
        higher_is_better: Direction of the metric; None: what `evaluate` has under this
            name, or true.
    """

    def __init__(
        self,
        layer_graph: graph.LayerGraph,
        evaluate: Evaluate,
        repair: Repair | None = None,
        higher_is_better: bool | None = None,  # noqa: FBT001 - for the environment
    ) -> None:
        self._graph, self._evaluate, self._repair = layer_graph, evaluate, repair
        if higher_is_better is None:
            higher_is_better = bool(getattr(evaluate, "higher_is_better", True))
        self.higher_is_better = higher_is_better
        self._candidate: graph.CandidateModel | None = None
        self._narrow: ElasticForward | None = None

    @property
    def candidate(self) -> graph.CandidateModel:
        """Return the model of all plans, built when it is first asked for."""
        if self._candidate is None:
            self._candidate = graph.CandidateModel(self._graph)
            if getattr(self._evaluate, "takes_functions", False) and can_run(
                self._graph
            ):
                self._narrow = ElasticForward(self._candidate)
        return self._candidate

    def __call__(self, plan: graph.PruningPlan) -> float:
        """Return the metric of what a plan leaves.

        Raises:
            ModelError: If `evaluate` fails or does not return a finite number.
        """
        repaired = None if self._repair is None else self._repair(plan)
        self.candidate.assign(plan, repaired)
        if self._narrow is None:
            return judged(self._evaluate, self.candidate.model)
        self._narrow.keep(plan)
        return judged(self._evaluate, self._narrow)


def judged(evaluate: Callable[[Any], float], model: Any) -> float:
    """Return what `evaluate` says of a model, if it is a finite number.

    Raises:
        ModelError: If it fails or returns anything else. Errors of the toolkit
            itself pass as they are.
    """
    name = getattr(evaluate, "__name__", type(evaluate).__name__)
    try:
        value: Any = evaluate(model)
    except errors.TfCompressError:
        raise
    except Exception as error:
        raise errors.ModelError(
            f"Evaluating a candidate failed. Received: `evaluate` ({name}) raised "
            f"{type(error).__name__}: {first_line(error)}. Try it on the model itself "
            "first: `evaluate(model)` must return a number."
        ) from error
    if not is_number(value):
        raise errors.ModelError(
            f"`evaluate` must return one number. Received: {type(value).__name__} from "
            f"{name}. Return the metric alone, such as "
            "`model.evaluate(x, y, verbose=0)[1]`."
        )
    if not math.isfinite(float(value)):
        raise errors.ModelError(
            f"The metric of a candidate is not finite. Received: {float(value)} from "
            f"{name}. Look for NaN in the model's weights and in the data, or return "
            "the worst value of the metric where it has none."
        )
    return float(value)


def is_number(value: Any) -> bool:
    """Accept Python's and NumPy's numbers and tensors of one, but no truth values."""
    if isinstance(value, bool | np.bool_ | str | bytes) or value is None:
        return False
    if isinstance(value, numbers.Real):
        return True
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return False
    return array.size == 1 and array.ndim == 0 and array.dtype.kind in "fiu"


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return (str(error).splitlines() or ["no message"])[0]
