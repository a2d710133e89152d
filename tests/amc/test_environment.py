"""Tests of `tfcompress.amc.environment`: budgets and what is reported."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.amc.nets import Counting, chain, dense_chain, made, play, uneven
from tests.models import conv_bn_net, randomise
from tfcompress import errors, graph
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.rewards import macs_reward
from tfcompress.channels import Budget, budgets


def test_the_bounds_are_those_worked_out_by_hand():
    """The whole costs 80 + 64 + 16 = 160 MACs, so 80 are left.

    a: with b at its floor 2, 12 a + 4 <= 80, so a <= 6. b: 60 + 8 b <= 80, so b <= 2.
    """
    environment = chain()
    _, (first, second) = play(environment, [1.0, 1.0])
    assert (first["executed"], first["bound"], first["bounded"]) == (0.75, 0.75, True)
    assert (second["executed"], second["channels"]) == (0.25, 2)
    assert second["cost"]["macs"] == 76
    assert environment.plan.widths() == {"a": 6, "b": 2}


def test_what_fits_is_executed_as_asked():
    """a = 4 and b = 5 cost 40 + 20 + 10 = 70; the bound of b is 6 (76 MACs)."""
    _, (first, second) = play(chain(), [0.5, 0.6])
    assert (first["executed"], first["bounded"]) == (0.5, False)
    assert (second["executed"], second["bound"]) == (0.625, 0.75)
    assert second["action"] == 0.6


def test_the_cost_so_far_counts_later_groups_whole():
    """After a = 4: 40 + 32 + 16 = 88 MACs, as many weights, and b still has 8."""
    environment = chain()
    environment.reset()
    environment.step(0.5)
    assert environment.info["cost"]["macs"] == 88
    assert environment.info["cost"]["params"] == 88


KINDS = {
    "macs": lambda part, _: Budget(macs=part),
    "params": lambda part, _: Budget(params=part),
    "size_bytes": lambda part, _: Budget(size_bytes=part),
    "together": lambda part, _: Budget(macs=part, params=part, size_bytes=part),
    "custom": lambda part, whole: Budget(custom=((uneven, part * whole),)),
    "mixed": lambda part, whole: Budget(macs=part, custom=((uneven, whole),)),
}


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(
    strategies.models(),
    st.floats(0.35, 1.0),
    st.sampled_from([1, 2]),
    st.integers(0, 2**16),
)
def test_every_plan_meets_its_budget_whatever_the_actions(model, part, round_to, seed):
    """Property: all zeros, all ones, and random actions, for every kind of cost."""
    layer_graph = graph.trace(model)
    rng = np.random.default_rng(seed)
    whole = uneven(layer_graph, graph.PruningPlan.full(layer_graph))
    for budget in (make(part, whole) for make in KINDS.values()):
        try:
            environment = made(layer_graph, budget, round_to=round_to)
        except errors.ModelError:
            return
        except errors.BudgetError:
            assert_out_of_reach(layer_graph, budget, round_to)
            continue
        count = environment.num_decisions
        for actions in ([0.0] * count, [1.0] * count, *rng.random((2, count))):
            check_episode(environment, layer_graph, budget, actions)


def assert_out_of_reach(layer_graph, budget, round_to):
    """The smallest plan is over the limit, and so is the whole network."""
    environment = made(layer_graph, None, round_to=round_to)
    plans = [environment.plan_of([a] * environment.num_decisions) for a in (0, 1)]
    meter = budgets.Meter(layer_graph, budget)
    assert all(meter.share(plan) > 1 for plan in plans)


def check_episode(environment, layer_graph, budget, actions):
    steps, infos = play(environment, actions)
    plan = environment.plan
    for reading in budgets.Meter(layer_graph, budget).readings(plan):
        assert reading.value <= reading.limit
    assert environment.plan_of(list(actions)).widths() == plan.widths()
    for step in steps:
        environment.observation_spec().validate(step.observation)
        assert step.observation[8] + step.observation[9] <= 1 + 1e-6
    assert [step.reward for step in steps[1:-1]] == [0.0] * (len(steps) - 2)
    assert [step.discount for step in steps[1:]] == [1.0] * (len(steps) - 2) + [0.0]
    widths = plan.widths()
    for info, decision in zip(infos, environment.decisions, strict=True):
        assert info["channels"] == widths[decision.group]
        assert info["executed"] == widths[decision.group] / decision.size
        assert widths[decision.group] in decision.counts
    assert infos[-1]["actions"] == tuple(info["executed"] for info in infos)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(strategies.models())
def test_a_budget_of_everything_lets_all_ones_keep_everything(model):
    """Property: no channel goes that need not."""
    layer_graph = graph.trace(model)
    for budget in (Budget(macs=1.0, params=1.0, size_bytes=1.0), None):
        try:
            environment = made(layer_graph, budget)
        except errors.ModelError:
            return
        play(environment, [1.0] * environment.num_decisions)
        assert environment.plan.widths() == graph.PruningPlan.full(layer_graph).widths()


def test_the_pruned_model_itself_meets_the_budget():
    """Built and counted by Keras, not by the cost model."""
    layer_graph = graph.trace(randomise(conv_bn_net(widths=(16, 32, 32))))
    environment = made(layer_graph, Budget(params=0.4), round_to=4)
    play(environment, [1.0] * environment.num_decisions)
    smaller, _ = graph.prune_model(layer_graph, environment.plan)
    assert smaller.count_params() <= 0.4 * layer_graph.model.count_params()


def test_a_cost_that_no_longer_fits_at_all_is_told_in_one_line():
    """From its 6th reading on, everything measures ten times as much."""
    readings = []

    def measured(layer_graph, plan):
        readings.append(plan)
        factor = 10 if len(readings) > 6 else 1
        return factor * graph.cost(layer_graph, plan).macs

    environment = chain(Budget(custom=((measured, 80.0),)))
    with pytest.raises(errors.BudgetError, match="measured <= 80; the smallest"):
        play(environment, [1.0, 1.0])
    assert environment.step(1.0).first()


def test_each_distinct_plan_is_judged_once_on_one_model():
    """Two actions that round to one plan are one plan."""
    evaluate = Counting()
    environment = chain(known={}, reward=lambda e: e.metric)
    environment = CompressionEnvironment(
        environment.graph,
        budget=Budget(macs=0.5),
        evaluate=evaluate,
        round_to=1,
        min_ratio=0.25,
    )
    rewards, cached = [], []
    for actions in ([0.5, 0.5], [0.51, 0.49], [0.25, 1.0], [0.5, 0.5]):
        steps, infos = play(environment, actions)
        rewards.append(steps[-1].reward)
        cached.append(infos[-1]["cached"])
    assert cached == [False, True, False, True]
    assert len(evaluate.models) == 2
    assert all(model is environment.model for model in evaluate.models)
    assert rewards[0] == rewards[1] == rewards[3] != rewards[2]


def test_the_reward_is_that_of_the_record():
    """-(1 - 0.5) ln(76)."""
    environment = CompressionEnvironment(
        dense_chain(8, 8),
        budget=Budget(macs=0.5),
        evaluate=lambda _: 0.5,
        reward=macs_reward,
        round_to=1,
        min_ratio=0.25,
    )
    steps, infos = play(environment, [1.0, 1.0])
    assert steps[-1].reward == pytest.approx(-0.5 * np.log(76))
    assert infos[-1]["evaluated"].macs == 76
    assert infos[-1]["key"] == "6,2"


def test_custom_costs_are_reported_by_name():
    """In `info` at every step, and in the record."""
    environment = CompressionEnvironment(
        dense_chain(8, 8),
        budget=Budget(custom=((uneven, 120.0),)),
        evaluate=lambda _: 0.5,
        round_to=1,
    )
    _, infos = play(environment, [1.0, 1.0])
    evaluated = infos[-1]["evaluated"]
    assert evaluated.custom == (infos[-1]["cost"]["uneven"],)
    assert evaluated.custom[0] <= 120


def test_a_cost_that_wanders_is_corrected_at_the_end():
    """From its 6th reading on, everything measures 20 % more; the plan still fits."""
    readings = []

    def measured(layer_graph, plan):
        readings.append(plan)
        factor = 1.2 if len(readings) > 6 else 1.0
        return factor * graph.cost(layer_graph, plan).macs

    environment = chain(Budget(custom=((measured, 80.0),)))
    play(environment, [1.0, 1.0])
    assert measured(environment.graph, environment.plan) <= 80


def test_a_plan_of_another_model_is_refused():
    """By the plan's own check."""
    other = graph.PruningPlan.full(dense_chain(4, 4))
    with pytest.raises(errors.PlanError, match="another model"):
        chain().evaluate_plan(other)


def test_a_budget_below_the_floor_is_refused_with_what_can_be_reached():
    """The floors of 2 and 2 cost 20 + 4 + 4 = 28 MACs."""
    with pytest.raises(errors.BudgetError) as caught:
        chain(Budget(macs=27))
    message = str(caught.value)
    assert "macs <= 27; the smallest that can be reached is macs = 28" in message
    assert "`min_ratio`" in message
    assert "\n" not in message
