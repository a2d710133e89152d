"""What is searched: an environment made of a model, data and settings.

The agent and every baseline get the same environment, the same held-out examples and
the same memory of judged plans, so their results can be compared.  The seed of the
settings is the agent's: it does not choose the examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import keras
import numpy as np

from tfcompress import channels, data, files, graph
from tfcompress.amc.decisions import DecisionSpace
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.evaluation import Evaluate, HeldOut
from tfcompress.amc.rewards import (
    Evaluated,
    Reward,
    error_reward,
    macs_reward,
    params_reward,
)
from tfcompress.amc.search_state import Journal
from tfcompress.amc.settings import AmcConfig
from tfcompress.channels import budgets
from tfcompress.channels.reconstruction import Reconstructor

REWARDS: dict[str, Reward] = {
    "error": error_reward,
    "macs": macs_reward,
    "params": params_reward,
}
"""The rewards that settings can name."""

Widths = tuple[int, ...]
"""How many channels each decision keeps."""


class Known(MutableMapping[str, Evaluated]):
    """What is known of every judged plan, and the same as JSON records.

    Attributes:
        journal: One record per plan, in the order in which they were judged.
    """

    def __init__(self) -> None:
        self.journal = Journal()
        self._found: dict[str, Evaluated] = {}

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Note plans that were judged before, as the journal had them."""
        for record in records:
            values = {name: value for name, value in record.items() if name != "key"}
            self.setdefault(record["key"], Evaluated.from_dict(values))

    def __getitem__(self, key: str) -> Evaluated:
        """Return what is known of a plan."""
        return self._found[key]

    def __setitem__(self, key: str, evaluated: Evaluated) -> None:
        """Note what was found of a new plan."""
        self._found[key] = evaluated
        self.journal.append({"key": key, **evaluated.to_dict()})

    def __delitem__(self, key: str) -> None:
        """Refuse: what is known stays known."""
        raise TypeError(f"{key!r} cannot be forgotten")

    def __iter__(self) -> Iterator[str]:
        """Go through the keys of the judged plans."""
        return iter(self._found)

    def __len__(self) -> int:
        """Return the number of judged plans."""
        return len(self._found)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """One search, before it begins.

    Attributes:
        config: The settings.
        budget: What every plan meets; None if only the reward holds it back.
        layer_graph: The traced model.
        space: The plans that can be decided on.
        environment: Judges them.
        known: What is known of the plans that it judged.
        reward: Name of the reward.
        metric: Name of the metric behind the rewards.
        num_examples: How many examples decide; None if a user's function does.
        identity: What is searched, as one text; what happens after a kill -9 is
            decided by it.
        notes: What a report should say.
    """

    config: AmcConfig
    budget: channels.Budget | None
    layer_graph: graph.LayerGraph
    space: DecisionSpace
    environment: CompressionEnvironment
    known: Known
    repair: Callable[[graph.PruningPlan], graph.Weights] | None
    reward: str
    metric: str
    higher_is_better: bool
    num_examples: int | None
    identity: str
    notes: tuple[str, ...]

    def plan(self, widths: Widths) -> graph.PruningPlan:
        """Return the plan that keeps so many channels, the best, of each group."""
        return graph.PruningPlan.of(self.layer_graph, keep=self.space.plan(widths).keep)

    def widths(self, plan: graph.PruningPlan) -> Widths:
        """Return how many channels a plan keeps, in the order of the decisions."""
        return tuple(plan.kept(decision.group) for decision in self.space.decisions)

    def seeded(self, seed: int) -> Problem:
        """Return the same problem for an agent of another seed."""
        return dataclasses.replace(
            self,
            config=dataclasses.replace(self.config, seed=seed),
            identity=files.fingerprint(self.identity, str(seed)),
        )

    def decided(self, plan: graph.PruningPlan) -> tuple[dict[str, Any], ...]:
        """Return, for each decision, its group, layers, size and kept channels."""
        layers = {group.name: list(group.layers) for group in self.layer_graph.groups}
        return tuple(
            {
                "group": decision.group,
                "layers": layers[decision.group],
                "size": decision.size,
                "kept": kept,
                "ratio": kept / decision.size,
            }
            for decision, kept in zip(
                self.space.decisions, self.widths(plan), strict=True
            )
        )

    def settings(self) -> dict[str, Any]:
        """Return what decided about the plans, as plain JSON values."""
        return {
            "reward": self.reward,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "num_examples": self.num_examples,
            "limits": limits(self.budget),
            "warmup_episodes": self.config.warmup_episodes,
            "seed": self.config.seed,
        }

    def original(self) -> Evaluated:
        """Judge the unpruned network: the yardstick, and a test of `evaluate`."""
        full = graph.PruningPlan.full(self.layer_graph)
        return self.environment.evaluate_plan(full)

    def repaired(self, plan: graph.PruningPlan) -> keras.Model:
        """Return a copy of the model, of the same structure, repaired for a plan.

        Pruned or masked by that plan it computes what the search judged.
        """
        candidate = graph.CandidateModel(self.layer_graph, fold_constants=False)
        weights = None if self.repair is None else self.repair(plan)
        candidate.assign(graph.PruningPlan.full(self.layer_graph), weights)
        return candidate.model


def make_problem(  # noqa: PLR0913 - what `search` and `compare` are called with
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: AmcConfig,
    budget: channels.Budget | None = None,
    evaluate: Evaluate | None = None,
    reward: Reward | None = None,
    task: data.Task | None = None,
) -> Problem:
    """Put model, data and settings together, and refuse what cannot work.

    Raises:
        DataError: If the data do not fit the model, or are fewer than asked for.
        ModelError: If there is nothing to decide.
        BudgetError: If no plan meets the budget.
    """
    data.check_fits(model, dataset)
    layer_graph = graph.trace(model)
    task = task or data.Task.for_model(model, dataset)
    budget = budget or config.budget()
    choice = _choice(config)
    scores = channels.score(layer_graph, criterion="consumer_l1")
    space = DecisionSpace(layer_graph, scores, **choice)
    judge: Any = evaluate or HeldOut(
        dataset, task, num_examples=config.evaluation_examples
    )
    reconstructor = _reconstructor(layer_graph, dataset, config)
    repair = None if reconstructor is None else reconstructor.weights
    known = Known()
    up = bool(getattr(judge, "higher_is_better", task.higher_is_better))
    environment = CompressionEnvironment(
        layer_graph,
        budget=budget,
        evaluate=judge,
        reward=reward or REWARDS[config.reward],
        repair=repair,
        scores=scores,
        known=known,
        higher_is_better=up,
        **choice,
    )
    return Problem(
        config=config,
        budget=budget,
        layer_graph=layer_graph,
        space=space,
        environment=environment,
        known=known,
        repair=repair,
        reward=config.reward if reward is None else _name(reward),
        metric=task.metric if evaluate is None else _name(evaluate),
        higher_is_better=up,
        num_examples=getattr(judge, "num_examples", None),
        identity=_identity(layer_graph, dataset, config, budget, (evaluate, reward)),
        notes=_notes(config, judge, reconstructor),
    )


def limits(budget: channels.Budget | None) -> dict[str, Any]:
    """Return the limits of a budget by name, as plain JSON values.

    Example:
        >>> limits(channels.Budget(macs=0.5))
        {'macs': 0.5, 'recipe': 'int8'}
    """
    if budget is None:
        return {}
    counted = {name: getattr(budget, name) for name in budgets.COUNTED}
    found = {name: value for name, value in counted.items() if value is not None}
    custom = {budgets.name_of(function): limit for function, limit in budget.custom}
    return {**found, **custom, "recipe": budget.recipe}


def _choice(config: AmcConfig) -> dict[str, Any]:
    """Return the settings of what a decision may be."""
    names = ("min_ratio", "round_to", "min_channels", "exclude")
    return {name: getattr(config, name) for name in names}


def _reconstructor(
    layer_graph: graph.LayerGraph, dataset: data.Dataset, config: AmcConfig
) -> Reconstructor | None:
    if not config.reconstruct:
        return None
    return Reconstructor(
        layer_graph,
        dataset,
        num_examples=config.reconstruction_examples,
    )


def _notes(
    config: AmcConfig, judge: Any, reconstructor: Reconstructor | None
) -> tuple[str, ...]:
    found = [*getattr(judge, "notes", ()), *getattr(reconstructor, "notes", ())]
    if config.episodes <= config.warmup_episodes:
        found.append(
            f"all {config.episodes} episodes belong to the warm-up of "
            f"{config.warmup_episodes}: every plan was random, the agent never learned"
        )
    return tuple(found)


def _identity(
    layer_graph: graph.LayerGraph,
    dataset: data.Dataset,
    config: AmcConfig,
    budget: channels.Budget | None,
    functions: Iterable[Any],
) -> str:
    """Name everything that an episode depends on; how many there are is not of it."""
    settings = config.to_dict()
    del settings["episodes"], settings["patience"]
    names = [function and _name(function) for function in functions]
    return files.fingerprint(
        layer_graph.fingerprint,
        repr(sorted(settings.items())),
        repr((limits(budget), names)),
        dataset.fingerprint,
        *(np.asarray(weight.value).tobytes() for weight in layer_graph.model.weights),
    )


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def ratios(space: DecisionSpace, widths: Widths) -> list[float]:
    """Return the kept fraction of each decision."""
    return [
        width / decision.size
        for width, decision in zip(widths, space.decisions, strict=True)
    ]
