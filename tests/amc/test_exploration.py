"""Tests of `tfcompress.amc.exploration`."""

from __future__ import annotations

import numpy as np

from tests.amc.fakes import conv1_inputs, made
from tfcompress.amc import families
from tfcompress.amc.agent import DdpgAgent
from tfcompress.amc.exploration import Explorer


def explorer(problem) -> Explorer:
    """Return an explorer with an agent of the problem's settings."""
    environment = problem.environment
    agent = DdpgAgent(
        environment.observation_spec().shape[0],
        config=problem.config,
        seed=problem.config.seed,
        num_steps=environment.num_decisions,
    )
    return Explorer(problem, agent)


def widths(episode):
    """Return the widths of the plan that an episode has made."""
    return tuple(map(int, episode.infos[-1]["key"].split(",")))


def test_the_first_plans_are_those_made_by_hand():
    """In the order of their families, two of which are different here."""
    problem = made()
    explore = explorer(problem)
    wanted = families.plans(problem)
    assert len(set(wanted)) == len(wanted) == 3
    for number, plan in enumerate(wanted):
        assert widths(explore.episode(number, None)) == plan


def test_without_a_budget_the_warm_up_is_random_from_the_start():
    """There is nothing to fit a family to."""
    problem = made(reward="macs")
    first = widths(explorer(problem).episode(0, None))
    other = made(reward="macs", seed=1)
    assert first != widths(explorer(other).episode(0, None))


def test_after_the_warm_up_no_share_is_the_actor_s_alone():
    """Without noise it makes one plan, however often it is asked."""
    explore = explorer(made(near_best=0.0, noise=0.0))
    found = {widths(explore.episode(number, (8, 12, 12))) for number in range(4, 10)}
    assert len(found) == 1


def test_after_the_warm_up_a_share_is_near_the_best_plan():
    """All of it here, in smallest steps: one count of 4 more or fewer in some group."""
    explore = explorer(made(near_best=1.0, near_best_noise=0.0, noise=0.0))
    found = [widths(explore.episode(number, (8, 12, 12))) for number in range(4, 10)]
    assert len(set(found)) == 6
    for plan in found:
        assert 4 in np.abs(np.subtract(plan, (8, 12, 12)))


def kept_near(best, *, draws: int) -> float:
    """Return what the first plans near the best keep of the group that decides."""
    settings = {"near_best": 1.0, "near_best_noise": 0.1, "near_best_draws": draws}
    problem = made(conv1_inputs, widths=(64, 64, 64), warmup_episodes=12, **settings)
    explore = explorer(problem)
    for number in range(12):
        explore.episode(number, None)
    found = [widths(explore.episode(number, best))[0] for number in range(12, 16)]
    return float(np.mean(found))


def test_of_many_steps_the_most_promising_is_judged():
    """Where one group alone decides the reward, steps that widen it are chosen."""
    best = (32, 32, 32)
    assert kept_near(best, draws=64) > kept_near(best, draws=1) + 4


def test_a_plan_is_not_drawn_twice_while_there_are_others():
    """Twelve plans that fit are found in as many episodes, or nearly."""
    problem = made()
    explore = explorer(problem)
    found = [widths(explore.episode(number, (8, 12, 12))) for number in range(12)]
    assert len(set(found)) >= 11


def test_it_goes_on_where_it_stopped():
    """With the same draws and the same choice among them."""
    one = explorer(made(near_best=1.0))
    for number in range(6):
        one.episode(number, (8, 12, 12))
    kept = one.state()
    other = explorer(made(near_best=1.0))
    other.restore(kept)
    for number in range(6, 10):
        wanted = widths(one.episode(number, (8, 12, 12)))
        assert widths(other.episode(number, (8, 12, 12))) == wanted


def test_when_all_plans_are_known_one_comes_again():
    """A problem of four plans does not hang."""
    problem = made(widths=(16, 16), round_to=8, params=1.0)
    explore = explorer(problem)
    for number in range(8):
        explore.episode(number, None)
