"""What is searched: an environment made of a model, data and settings.

The agent and every baseline get the same environment, the same held-out examples and
the same memory of judged plans, so their results can be compared.  The seed of the
settings is the agent's: it does not choose the examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import keras

from tfcompress import channels, data, files, graph
from tfcompress.amc.channel_plans import ChannelPlans
from tfcompress.amc.episodes import EpisodeEnvironment
from tfcompress.amc.evaluation import Evaluate, HeldOut
from tfcompress.amc.plan_kinds import Plans
from tfcompress.amc.rewards import (
    Evaluated,
    Reward,
    error_reward,
    macs_reward,
    params_reward,
)
from tfcompress.amc.search_state import Journal
from tfcompress.amc.settings import AmcConfig
from tfcompress.amc.sparse_judging import Tune
from tfcompress.amc.weight_plans import WeightPlans
from tfcompress.channels import budgets
from tfcompress.config import require
from tfcompress.graph.identities import identity

REWARDS: dict[str, Reward] = {
    "error": error_reward,
    "macs": macs_reward,
    "params": params_reward,
}
"""The rewards that settings can name."""


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
        plans: What can be decided on.
        known: What is known of the plans that were judged.
        reward: Name of the reward.
        metric: Name of the metric behind the rewards.
        higher_is_better: Its direction.
        num_examples: How many examples decide; None if a user's function does.
        identity: What is searched, as one text; what happens after a kill -9 is
            decided by it.
        notes: What a report should say.
    """

    config: AmcConfig
    budget: channels.Budget | None
    layer_graph: graph.LayerGraph
    plans: Plans
    known: Known
    reward: str
    metric: str
    higher_is_better: bool
    num_examples: int | None
    identity: str
    notes: tuple[str, ...]

    @property
    def environment(self) -> EpisodeEnvironment:
        """Where plans are decided and judged."""
        return self.plans.environment

    def seeded(self, seed: int) -> Problem:
        """Return the same problem for an agent of another seed."""
        return dataclasses.replace(
            self,
            config=dataclasses.replace(self.config, seed=seed),
            identity=files.fingerprint(self.identity, str(seed)),
        )

    def settings(self) -> dict[str, Any]:
        """Return what decided about the plans, as plain JSON values."""
        return {
            "granularity": self.config.granularity,
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
        return self.plans.evaluate(self.plans.full())


def make_problem(  # noqa: PLR0913 - what `search` and `compare` are called with
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: AmcConfig,
    budget: channels.Budget | None = None,
    evaluate: Evaluate | None = None,
    reward: Reward | None = None,
    task: data.Task | None = None,
    tune: Tune | None = None,
    spill_dir: files.PathLike | None = None,
) -> Problem:
    """Put model, data and settings together, and refuse what cannot work.

    Features of the repair that exceed the memory go to `spill_dir`, if it is given.

    Raises:
        DataError: If the data do not fit the model, or are fewer than asked for.
        ModelError: If there is nothing to decide.
        BudgetError: If no plan meets the budget.
        ConfigError: If `tune` is given where whole channels are cut.
    """
    fine = config.granularity == "weights"
    require(fine or tune is None, "tune", tune, "None unless granularity='weights'")
    data.check_fits(model, dataset)
    layer_graph = graph.trace(model)
    task = task or data.Task.for_model(model, dataset)
    budget = budget or config.budget()
    judge: Any = evaluate or HeldOut(
        dataset,
        task,
        num_examples=config.evaluation_examples,
        max_memory_mb=config.max_memory_mb,
    )
    known = Known()
    up = bool(getattr(judge, "higher_is_better", task.higher_is_better))
    settings: dict[str, Any] = {
        "config": config,
        "budget": budget,
        "evaluate": judge,
        "reward": reward or REWARDS[config.reward],
        "known": known,
        "higher_is_better": up,
    }
    plans: Plans = (
        WeightPlans(layer_graph, dataset, tune=tune, **settings)
        if fine
        else ChannelPlans(layer_graph, dataset, spill_dir=spill_dir, **settings)
    )
    return Problem(
        config=config,
        budget=budget,
        layer_graph=layer_graph,
        plans=plans,
        known=known,
        reward=config.reward if reward is None else _name(reward),
        metric=task.metric if evaluate is None else _name(evaluate),
        higher_is_better=up,
        num_examples=getattr(judge, "num_examples", None),
        identity=_named(
            layer_graph, dataset, config, budget, task, (evaluate, reward, tune)
        ),
        notes=(*getattr(judge, "notes", ()), *plans.notes, *_warm_up_note(config)),
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


def _warm_up_note(config: AmcConfig) -> tuple[str, ...]:
    if config.episodes > config.warmup_episodes:
        return ()
    note = (
        f"all {config.episodes} episodes belong to the warm-up of "
        f"{config.warmup_episodes}: every plan was random, the agent never learned"
    )
    return (note,)


def _named(
    layer_graph: graph.LayerGraph,
    dataset: data.Dataset,
    config: AmcConfig,
    budget: channels.Budget | None,
    task: data.Task,
    functions: Iterable[Any],
) -> str:
    """Name everything that an episode depends on; how many there are is not of it."""
    settings = config.to_dict()
    del settings["episodes"], settings["patience"]
    names = [function and _name(function) for function in functions]
    costs = [function for function, _ in budget.custom] if budget else []
    return identity(
        layer_graph.model,
        layer_graph.fingerprint,
        settings,
        (limits(budget), names),
        [str(getattr(cost, "fingerprint", "")) for cost in costs],
        dataset.fingerprint,
        list(task.outputs.values()),
    )


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
