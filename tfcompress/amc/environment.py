"""The environment in which an agent decides how much of each channel group to keep.

An episode makes one plan, one decision per channel group in the order of `decisions`;
`features` tells what is observed, `bounding` how the budget is kept.  After the last
decision the model is judged under the plan, without fine-tuning, on a model of one
shape whose weights are assigned in place.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.  Where we differ: a group of tied layers decides once,
where the authors' program lets the first layer of a group decide and copies; the cost
is that of the whole plan, with rounding, instead of a sum of fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import keras
import numpy.typing as npt

from tfcompress import channels, errors, graph
from tfcompress.amc.bounding import Bounds
from tfcompress.amc.decisions import Counts, DecisionSpace
from tfcompress.amc.episodes import EpisodeEnvironment, checked_action
from tfcompress.amc.features import Observer
from tfcompress.amc.judging import Judge
from tfcompress.amc.plan_costs import PlanCosts
from tfcompress.amc.rewards import Evaluated, Reward, error_reward
from tfcompress.channels.selection import unreachable
from tfcompress.graph.tracing import as_graph

Array = npt.NDArray[Any]


class CompressionEnvironment(EpisodeEnvironment):
    """Decide the channel groups of a model one by one, within a budget.

    An action is the fraction of the group's channels to keep.

    Args:
        model_or_graph: The model, or its graph; it is not changed.
        budget: The limits that every finished plan meets, exactly as
            `tfcompress.graph.cost` counts them. None: only the reward holds a plan
            back.
        evaluate: Judges a model: returns the task's metric on held-out examples. It
            always gets the same model object, compiled if `model_or_graph` is, with
            the weights of the plan assigned.
        reward: What a judged plan is worth.
        repair: Makes up for the removed channels: returns full-size weights for a plan,
            such as `tfcompress.channels.Reconstructor.weights`.
        scores: How much each channel matters, by group; by default the weights that
            read the channel. A group without scores stays whole.
        min_ratio: Smallest kept fraction of a group, in (0, 1]; rounded up.
        round_to: Kept counts are multiples of this, or all channels.
        min_channels: No group gets fewer, or all if it has fewer.
        exclude: Names of groups or layers to leave whole.
        known: What was judged before, by the key of the plan; it grows.
        higher_is_better: Direction of the metric; by default what `evaluate` has under
            this name, or true.

    Attributes:
        graph: The traced model.
        decisions: What is decided, in order.

    Raises:
        BudgetError: If no plan meets the budget.
        ConfigError: If a setting is out of range or a name in `exclude` is unknown.
        ModelError: If fewer than two groups can be cut.

    Example:
        >>> x = inputs = keras.Input((4,))
        >>> for name in ("a", "b"):
        ...     x = keras.layers.Dense(16, name=name)(x)
        >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
        >>> environment = CompressionEnvironment(
        ...     model, budget=channels.Budget(macs=0.5), evaluate=lambda model: 0.75
        ... )
        >>> step = environment.reset()
        >>> while not step.last():
        ...     step = environment.step(1.0)
        >>> environment.plan.widths(), step.reward
        ({'a': 8, 'b': 8}, -0.25)
    """

    def __init__(  # noqa: PLR0913 - one obvious call, all but one by keyword
        self,
        model_or_graph: keras.Model | graph.LayerGraph,
        *,
        budget: channels.Budget | None,
        evaluate: Callable[[keras.Model], float],
        reward: Reward = error_reward,
        repair: Callable[[graph.PruningPlan], graph.Weights] | None = None,
        scores: Mapping[str, Array] | None = None,
        min_ratio: float = 0.2,
        round_to: int = 8,
        min_channels: int = 1,
        exclude: Iterable[str] = (),
        known: MutableMapping[str, Evaluated] | None = None,
        higher_is_better: bool | None = None,
    ) -> None:
        self.graph = as_graph(model_or_graph)
        self._space = DecisionSpace(
            self.graph,
            channels.consumer_l1(self.graph) if scores is None else scores,
            round_to=round_to,
            min_ratio=min_ratio,
            min_channels=min_channels,
            exclude=exclude,
        )
        self.decisions = self._space.decisions
        self._costs = PlanCosts(self.graph, budget)
        self._bounds = Bounds([d.counts for d in self.decisions], self._share)
        if not self._bounds.reachable:
            raise self._unreachable(self._bounds.anchor)
        self._judge = Judge(self.graph, evaluate, repair, higher_is_better)
        self._observer = Observer(self.graph, self.decisions, self._costs)
        self._witness: Counts | None = None
        super().__init__(
            num_decisions=len(self.decisions),
            actions=(min_ratio, 1.0),
            reward=reward,
            known=known,
        )

    @property
    def model(self) -> keras.Model:
        """Return the model that `evaluate` gets, whatever is assigned to it now."""
        return self._judge.candidate.model

    @property
    def plan(self) -> graph.PruningPlan:
        """Return the finished plan.

        Raises:
            PlanError: Before the last decision.
        """
        self._check_finished()
        return self._plan(self._made)

    def plan_of(self, ratios: Sequence[float]) -> graph.PruningPlan:
        """Return the plan that an episode of these actions makes; nothing is judged.

        Args:
            ratios: One action per decision.

        Raises:
            ValueError: If there are more or fewer, or one is not a number.
        """
        self._check_actions(ratios, [decision.group for decision in self.decisions])
        wanted = [
            decision.nearest(checked_action(ratio))
            for decision, ratio in zip(self.decisions, ratios, strict=True)
        ]
        return self._plan(self._settled(self._bounds.decide_all(wanted)))

    def evaluate_plan(self, plan: graph.PruningPlan) -> Evaluated:
        """Judge a plan, or look it up if that was done before.

        Raises:
            PlanError: If the plan is for another model.
            ModelError: If judging it fails.
        """
        plan.validate(self.graph)
        key = self._space.key(plan)
        if key not in self._known:
            cost = self._costs.cost(plan)
            self._known[key] = Evaluated(
                metric=self._judge(plan),
                macs=cost.macs,
                params=cost.params,
                size_bytes=cost.size_bytes,
                higher_is_better=self._judge.higher_is_better,
                custom=self._costs.custom(plan),
            )
        return self._known[key]

    def _decide(self, wanted: float) -> dict[str, Any]:
        decision = self.decisions[len(self._made)]
        count = decision.nearest(wanted)
        witness = self._witness if self._made else None
        bound = self._bounds.decide(self._made, count, witness=witness)
        self._made, self._witness = (*self._made, bound.count), bound.witness
        if len(self._made) == self.num_decisions:
            self._made = self._settled(self._made)
        return {
            "group": decision.group,
            "layer": decision.layer,
            "executed": self._made[-1] / decision.size,
            "channels": self._made[-1],
            "bound": bound.upper / decision.size,
            "bounded": self._made[-1] != count,
        }

    def _observe(self) -> Array:
        plan = self._space.plan(self._made)
        cost = self._costs.cost(plan)
        if self._made:
            self._info["cost"] = self._costs.summary(cost, plan)
        last = self._info.get("executed", 1.0)  # the first reader's input is whole
        return self._observer.observe(cost, len(self._made), last)

    def _executed(self) -> tuple[float, ...]:
        return tuple(
            count / decision.size
            for count, decision in zip(self._made, self.decisions, strict=True)
        )

    def _key(self) -> str:
        return self._space.key(self.plan)

    def _evaluate_finished(self) -> Evaluated:
        return self.evaluate_plan(self.plan)

    def _plan(self, counts: Counts) -> graph.PruningPlan:
        """Return the plan of finished counts, checked against the graph."""
        return graph.PruningPlan.of(self.graph, keep=self._space.plan(counts).keep)

    def _share(self, counts: Counts) -> float:
        return self._costs.share(self._space.plan(counts))

    def _settled(self, counts: Counts) -> Counts:
        """Read a finished plan's cost once more, and correct it if it must be.

        Raises:
            BudgetError: If not even the smallest last decisions meet the budget now.
        """
        if self._share(counts) <= 1:
            return counts
        settled = self._bounds.corrected(counts, self._share)
        if settled is None:
            raise self._unreachable(self._space.floors)
        return settled

    def _unreachable(self, counts: Counts) -> errors.BudgetError:
        readings = self._costs.limited(self._space.plan(counts))
        lower = "`min_ratio`, `min_channels` and `round_to`"
        return unreachable(self.graph, readings, self._space.whole, lower=lower)
