"""Tests of `tfcompress.amc.baselines` and `.scoring`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.amc.fakes import FLOORS, conv1_inputs, made, share
from tfcompress import channels
from tfcompress.amc import baselines, families
from tfcompress.amc.moves import Moves
from tfcompress.amc.scoring import Scorer

METHODS = {
    "uniform": families.uniform,
    "shallow": families.shallow,
    "deep": families.deep,
    "random": baselines.random_search,
    "greedy": baselines.greedy,
}


@pytest.fixture(scope="module")
def problem():
    return made()


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
    moves = Moves(problem)
    baselines._trade(scorer, moves, np.random.default_rng(0))
    assert scorer.best[0] == 16


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
    for method in (families.uniform, families.shallow, baselines.greedy):
        assert method(Scorer(problem, 20)).widths[1] == 20


@pytest.mark.parametrize("method", ["uniform", "shallow", "deep", "random", "greedy"])
def test_fine_grained_baselines_keep_the_weights_of_the_budget(method):
    """A third of the weights, nearly all of it used by those made by hand."""
    problem = made(granularity="weights", params=1 / 3)
    sizes = [decision.size for decision in problem.plans.decisions]
    assert sizes == [432, 3456, 5184, 384]  # 3 x 16, 16 x 24, 24 x 24 of 3 x 3; 96 x 4
    found = METHODS[method](Scorer(problem, 20))
    assert sum(found.widths) <= sum(sizes) / 3
    if method in ("uniform", "shallow", "deep"):
        assert sum(found.widths) >= 0.98 * sum(sizes) / 3


def test_a_plan_that_is_asked_for_twice_counts_once(problem):
    """And nothing is found before a plan fits."""
    scorer = Scorer(problem, 5)
    scorer.reward((16, 24, 24), fits=False)
    scorer.reward((16, 24, 24), fits=False)
    assert scorer.left == 4
    with pytest.raises(RuntimeError, match="no plan that fits"):
        scorer.found()
    scorer.reward(FLOORS)
    assert scorer.found().best_rewards == (None, scorer.reward(FLOORS))
