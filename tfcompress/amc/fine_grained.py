"""Fine-grained mode: decide the sparsity of one layer after another, within a size.

The action is the fraction of a layer's weights that become zero, the smallest first;
`duties` keeps the budget.  An observation has the fixed features of `features`, with
the number of weights as the cost, and ``reduced`` and ``rest`` as fractions of all
prunable weights.

Before the model is judged, its layers can be regressed to their original outputs, and
the whole tuned for a moment; the zeros stay.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, Algorithm 1; Wu et al., "PocketFlow: An Automated Framework for
Compressing and Accelerating Deep Neural Networks", NeurIPS workshop 2018, for the
regression and the tuning before the reward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import channels, errors, graph
from tfcompress.amc.decisions import key_of
from tfcompress.amc.duties import Duties
from tfcompress.amc.episodes import EpisodeEnvironment, checked_action
from tfcompress.amc.features import fixed_features
from tfcompress.amc.magnitudes import find_sparse_layers
from tfcompress.amc.rewards import Evaluated, Reward, error_reward
from tfcompress.amc.sparse_judging import Regress, SparseJudge, Tune
from tfcompress.graph.costs import RECIPE_BYTES
from tfcompress.graph.tracing import as_graph

Array = npt.NDArray[Any]


class SparsityEnvironment(EpisodeEnvironment):
    """Decide the sparsity of a model's layers one by one, within a budget.

    An action is the fraction of the layer's weights to set to zero.

    Args:
        model_or_graph: The model, or its graph; it is not changed.
        budget: How many of the prunable weights (all kernels that are not excluded) may
            stay: a fraction up to 1 or a number above; or a `Budget` with `params`
            alone, which means the same. None: only the reward holds a plan back.
        evaluate: Judges a model: returns the task's metric on held-out examples. It
            always gets the same model object, with the zeros in place.
        reward: What a judged plan is worth.
        max_sparsity: Largest fraction of zeros in a convolution.
        max_dense_sparsity: Likewise in a Dense layer.
        exclude: Names of layers to leave as they are.
        regress: Refits the weights that stay, such as `LayerRegression`.
        tune: Trains the model briefly before it is judged. Compiled optimizers of Keras
            hold the zeros at every step; they are put back at the end in any case.
        known: What was judged before, by the key of the plan; it grows.
        higher_is_better: Direction of the metric; by default what `evaluate` has under
            this name, or true.

    Attributes:
        graph: The traced model.
        decisions: The layers, in order.

    Raises:
        BudgetError: If the largest sparsities do not meet the budget.
        ConfigError: If a setting is out of range or a name in `exclude` is unknown.
        ModelError: If fewer than two layers have kernels.

    Example:
        >>> x = inputs = keras.Input((10,))
        >>> x = keras.layers.Dense(10, name="a")(x)
        >>> model = keras.Model(inputs, keras.layers.Dense(10, name="b")(x))
        >>> environment = SparsityEnvironment(
        ...     model, budget=0.3, evaluate=lambda model: 0.75
        ... )
        >>> step = environment.reset()
        >>> while not step.last():
        ...     step = environment.step(0.0)
        >>> environment.sparsities
        {'a': 0.42, 'b': 0.98}
    """

    def __init__(  # noqa: PLR0913 - one obvious call, all but one by keyword
        self,
        model_or_graph: keras.Model | graph.LayerGraph,
        *,
        budget: float | channels.Budget | None,
        evaluate: Callable[[keras.Model], float],
        reward: Reward = error_reward,
        max_sparsity: float = 0.8,
        max_dense_sparsity: float = 0.98,
        exclude: Iterable[str] = (),
        regress: Regress | None = None,
        tune: Tune | None = None,
        known: MutableMapping[str, Evaluated] | None = None,
        higher_is_better: bool | None = None,
    ) -> None:
        self.graph = as_graph(model_or_graph)
        self.decisions = find_sparse_layers(
            self.graph,
            max_sparsity=max_sparsity,
            max_dense_sparsity=max_dense_sparsity,
            exclude=exclude,
        )
        self._duties = Duties(self.decisions, budget)
        self._judge = SparseJudge(
            self.graph,
            self.decisions,
            evaluate,
            regress=regress,
            tune=tune,
            higher_is_better=higher_is_better,
        )
        recipe = budget.recipe if isinstance(budget, channels.Budget) else "int8"
        self._whole = graph.cost(self.graph, recipe=recipe)
        self._bytes_each = RECIPE_BYTES[recipe].weight
        names = [entry.layer for entry in self.decisions]
        sizes = [entry.size for entry in self.decisions]
        self._fixed = fixed_features(self.graph, names, sizes)
        super().__init__(
            num_decisions=len(self.decisions),
            actions=(0.0, max(entry.most / entry.size for entry in self.decisions)),
            reward=reward,
            known=known,
        )

    @property
    def model(self) -> keras.Model:
        """Return the model that `evaluate` gets, whatever is assigned to it now."""
        return self._judge.model

    @property
    def sparsities(self) -> dict[str, float]:
        """Return the finished plan: the fraction of zeros in each layer.

        Raises:
            PlanError: Before the last decision.
        """
        self._check_finished()
        return self._sparsities(self._made)

    @property
    def plan(self) -> dict[str, float]:
        """Return `sparsities`, under the name that all environments share."""
        return self.sparsities

    def plan_of(self, actions: Sequence[float]) -> dict[str, float]:
        """Return the sparsities that an episode makes; nothing is judged.

        Args:
            actions: One per layer.

        Raises:
            ValueError: If there are more or fewer, or one is not a number.
        """
        self._check_actions(actions, [entry.layer for entry in self.decisions])
        wanted = [checked_action(action) for action in actions]
        return self._sparsities(self._duties.decide_all(wanted))

    def evaluate_plan(self, plan: Mapping[str, float]) -> Evaluated:
        """Judge sparsities, or look them up if that was done before.

        Args:
            plan: The fraction of zeros by layer; layers that are not named have none.

        Raises:
            PlanError: If a layer is unknown or its sparsity is not in [0, 1].
            ModelError: If judging fails.
        """
        return self._evaluate(self._removed(plan))

    def sparse_model(self, plan: Mapping[str, float]) -> keras.Model:
        """Return a copy of the model as it is judged: zeros, regressed and tuned.

        Raises:
            PlanError: If a layer is unknown or its sparsity is not in [0, 1].
        """
        return self._judge.copy(self._removed(plan))

    def _decide(self, wanted: float) -> dict[str, Any]:
        entry = self.decisions[len(self._made)]
        least = self._duties.least(self._made)
        removed = self._duties.decide(self._made, wanted)
        self._made = (*self._made, removed)
        return {
            "layer": entry.layer,
            "executed": removed / entry.size,
            "zeros": removed,
            "bound": least / entry.size,
            "bounded": removed != round(wanted * entry.size),
        }

    def _observe(self) -> Array:
        count, done = self.num_decisions, len(self._made)
        removed = sum(self._made)
        if self._made:
            self._info["cost"] = self._cost(removed)
        total = self._duties.total
        rest = sum(entry.size for entry in self.decisions[done + 1 :]) / total
        last = self._info.get("executed", 0.0)
        moving = np.clip([removed / total, rest, last], 0.0, 1.0)
        fixed = self._fixed[min(done, count - 1)]
        return np.concatenate([fixed, moving]).astype(np.float32)

    def _cost(self, removed: int) -> dict[str, int]:
        """Return what is left, a zero counted as nothing; MACs stay as they are."""
        saved = int(removed * self._bytes_each)
        return {
            "macs": self._whole.macs,
            "params": self._whole.params - removed,
            "size_bytes": self._whole.size_bytes - saved,
        }

    def _executed(self) -> tuple[float, ...]:
        return tuple(self._sparsities(self._made).values())

    def _key(self) -> str:
        return key_of(self._made)

    def _evaluate_finished(self) -> Evaluated:
        return self._evaluate(self._made)

    def _evaluate(self, removed: tuple[int, ...]) -> Evaluated:
        key = key_of(removed)
        if key not in self._known:
            cost = self._cost(sum(removed))
            self._known[key] = Evaluated(
                metric=self._judge(removed),
                macs=cost["macs"],
                params=cost["params"],
                size_bytes=cost["size_bytes"],
                higher_is_better=self._judge.higher_is_better,
            )
        return self._known[key]

    def _sparsities(self, removed: tuple[int, ...]) -> dict[str, float]:
        return {
            entry.layer: count / entry.size
            for entry, count in zip(self.decisions, removed, strict=True)
        }

    def _removed(self, plan: Mapping[str, float]) -> tuple[int, ...]:
        known = {entry.layer for entry in self.decisions}
        for name, sparsity in plan.items():
            if name not in known or not 0 <= sparsity <= 1:
                raise errors.PlanError(
                    "The sparsities do not fit the model. Received: "
                    f"{name}={sparsity}; expected a number in [0, 1] for "
                    f"{', '.join(sorted(known))}. Take them from `sparsities` or "
                    "`plan_of`."
                )
        return tuple(round(plan.get(d.layer, 0.0) * d.size) for d in self.decisions)
