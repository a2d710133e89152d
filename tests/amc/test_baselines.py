"""Tests of `tfcompress.amc.baselines`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.amc.fakes import corners, network, quick, survival
from tfcompress import channels, graph
from tfcompress.amc import baselines
from tfcompress.amc.baselines import Scorer
from tfcompress.amc.problem import make_problem

SIZES, FLOORS = (16, 24, 24), (4, 8, 8)  # a fifth, rounded up to blocks of 4


def conv1_inputs(model) -> float:
    """Judge by one group alone: the part of conv0's channels that conv1 still reads."""
    kernel = model.get_layer("conv1").kernel.numpy()
    return float((np.abs(kernel).sum(axis=(0, 1, 3)) > 0).mean())


def made(evaluate=survival, widths=(16, 24, 24), **settings):
    """Put a small problem together."""
    budget = settings.pop("budget", None)
    return make_problem(
        network(*widths), corners(), config=quick(**settings), evaluate=evaluate,
        budget=budget,
    )  # fmt: skip


@pytest.fixture(scope="module")
def problem():
    return made()


def share(problem, widths):
    cost = graph.cost(problem.layer_graph, problem.plans.plan(widths))
    return cost.macs / graph.cost(problem.layer_graph).macs


@pytest.mark.parametrize("method", ["uniform", "shallow", "deep"])
def test_a_plan_by_hand_takes_one_evaluation_and_meets_the_budget(problem, method):
    """Closely: one count more in any group would not fit."""
    found = getattr(baselines, method)(Scorer(problem, 1))
    assert len(found.best_rewards) == 1
    assert share(problem, found.widths) <= 0.5
    for i, decision in enumerate(problem.plans.decisions):
        larger = [count for count in decision.counts if count > found.widths[i]]
        if larger:
            richer = (*found.widths[:i], larger[0], *found.widths[i + 1 :])
            assert share(problem, richer) > 0.5


def test_uniform_keeps_about_the_same_fraction_everywhere(problem):
    """Within one block of 4 of 16 channels."""
    found = baselines.uniform(Scorer(problem, 1))
    sizes = SIZES
    kept = [width / size for width, size in zip(found.widths, sizes, strict=True)]
    assert max(kept) - min(kept) <= 4 / 16


def test_shallow_and_deep_spare_the_other_end(problem):
    """The first group against the last."""
    first, _, last = baselines.shallow(Scorer(problem, 1)).widths
    assert first / 16 < last / 24
    first, _, last = baselines.deep(Scorer(problem, 1)).widths
    assert first / 16 > last / 24


def test_families_by_hand():
    """p = 0.6: uniform keeps 0.4; shallow 0.4, 0.625, 0.85 (w = 1, 0.625, 0.25)."""
    plans = made().plans
    even = baselines._Family(plans, [1.0, 1.0, 1.0])
    assert even.wanted(0.6) == pytest.approx([0.4] * 3)
    assert even.wanted(2.0) == pytest.approx([4 / 16, 8 / 24, 8 / 24])
    assert even.largest == pytest.approx(0.75)
    sloped = baselines._Family(plans, [1.0, 0.625, 0.25])
    assert sloped.wanted(0.6) == pytest.approx([0.4, 0.625, 0.85])
    assert sloped.largest == pytest.approx(3.0)
    assert sloped.widths(0.6) == (8, 16, 20)  # 6.4, 15 and 20.4 of blocks of 4
    assert sloped.widths(sloped.largest) == FLOORS


def test_random_search_judges_as_many_different_plans_as_it_may(problem):
    """All meet the budget; the curve only rises; the seed decides."""
    scorer = Scorer(problem, 12)
    found = baselines.random_search(scorer, seed=3)
    assert len(found.best_rewards) == 12
    assert scorer.left == 0
    assert list(found.best_rewards) == sorted(found.best_rewards)
    assert found.reward == found.best_rewards[-1]
    assert all(share(problem, widths) <= 0.5 for widths in scorer._rewards)
    again = baselines.random_search(Scorer(problem, 12), seed=3)
    other = baselines.random_search(Scorer(problem, 12), seed=4)
    assert again.best_rewards == found.best_rewards
    assert other.best_rewards != found.best_rewards


def test_random_search_ends_where_there_are_no_more_plans():
    """Two groups of two counts make four plans at most."""
    problem = made(widths=(16, 16), round_to=8, params=1.0)
    found = baselines.random_search(Scorer(problem, 100), seed=0)
    assert len(found.best_rewards) <= 4


def test_greedy_spares_the_group_that_matters():
    """Only conv0's channels count: it stays whole, the others pay."""
    problem = made(conv1_inputs)
    found = baselines.greedy(Scorer(problem, 40), seed=0)
    assert found.widths[0] == 16
    assert found.reward == 0.0
    assert share(problem, found.widths) <= 0.5


def test_greedy_stays_within_its_evaluations(problem):
    """Also where they do not suffice for one round."""
    for evaluations in (1, 2, 7, 30):
        scorer = Scorer(problem, evaluations)
        found = baselines.greedy(scorer, seed=0)
        assert len(found.best_rewards) <= evaluations
        assert share(problem, found.widths) <= 0.5


def test_greedy_counts_no_plan_above_the_budget(problem):
    """The curve is empty until the descent has arrived."""
    found = baselines.greedy(Scorer(problem, 30), seed=0)
    curve = list(found.best_rewards)
    assert curve[0] is None
    known = [reward for reward in curve if reward is not None]
    assert known == sorted(known)
    assert curve.index(known[0]) == len(curve) - len(known)


def test_trades_find_what_the_descent_missed():
    """From a poor start, exchanging channels reaches the group that matters."""
    problem = made(conv1_inputs)
    scorer = Scorer(problem, 40)
    scorer.reward((4, 16, 12))
    moves = baselines._Moves(problem)
    baselines._trade(scorer, moves, np.random.default_rng(0))
    assert scorer.best[0] == 16


def test_a_round_of_the_descent_by_hand(problem):
    """Each group alone, cut as little as the target needs."""
    moves = baselines._Moves(problem)
    target = 0.9 / 0.5  # of the budget: 90 % of the network
    trials = moves.cuts(SIZES, target)
    assert len(trials) == 3
    for trial in trials:
        (i,) = (j for j in range(3) if trial[j] != SIZES[j])
        assert share(problem, trial) <= 0.9
        one_more = (*trial[:i], trial[i] + 4, *trial[i + 1 :])
        assert share(problem, one_more) > 0.9


@pytest.mark.parametrize("method", ["uniform", "deep"])
def test_without_a_budget_a_family_shows_its_best(method):
    """-error * ln(MACs) of ten plans from the whole network to the floors."""
    problem = made(reward="macs")
    found = getattr(baselines, method)(Scorer(problem, 1))
    assert 2 <= len(found.best_rewards) <= 10
    assert found.reward == max(found.best_rewards)


def test_without_a_budget_greedy_goes_down_to_the_floors():
    """With a reward of cost alone the floors win."""
    problem = made(lambda _: 0.5, reward="macs")
    found = baselines.greedy(Scorer(problem, 60), seed=0)
    assert found.widths == FLOORS


def test_a_cost_that_falls_with_more_channels_is_met_too():
    """The fastest width of conv1 is 20: only plans with it fit."""

    def odd(layer_graph, plan):
        del layer_graph
        return 1.0 if plan.kept("conv1") == 20 else 3.0

    problem = made(budget=channels.Budget(custom=((odd, 2.0),)))
    for method in (baselines.uniform, baselines.shallow, baselines.greedy):
        assert method(Scorer(problem, 20)).widths[1] == 20


@pytest.mark.parametrize(
    "method", ["uniform", "shallow", "deep", "random_search", "greedy"]
)
def test_fine_grained_baselines_keep_the_weights_of_the_budget(method):
    """A third of the weights, nearly all of it used by those made by hand."""
    problem = made(granularity="weights", params=1 / 3)
    sizes = [decision.size for decision in problem.plans.decisions]
    assert sizes == [432, 3456, 5184, 384]  # 3 x 16, 16 x 24, 24 x 24 of 3 x 3; 96 x 4
    found = getattr(baselines, method)(Scorer(problem, 20))
    assert sum(found.widths) <= sum(sizes) / 3
    if method in ("uniform", "shallow", "deep"):
        assert sum(found.widths) >= 0.98 * sum(sizes) / 3


def test_fine_grained_uniform_has_one_sparsity():
    """Within two steps of a hundred of 80 %."""
    problem = made(granularity="weights", params=1 / 3)
    plan = baselines.uniform(Scorer(problem, 1)).plan
    assert max(plan.values()) - min(plan.values()) <= 0.02
    assert set(plan) == {"conv0", "conv1", "conv2", "head"}
