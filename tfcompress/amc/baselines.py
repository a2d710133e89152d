"""Searches without an agent, which it must beat with as many evaluations.

* `random_search` draws every action uniformly; the environment bounds them, as it does
  the agent's.
* `greedy` descends from the whole network in rounds.  Each round asks for the same
  saving; every group in turn is cut alone until it saves as much, the cut network is
  judged, and the best of them goes on.  With the evaluations that are left it trades: a
  random group gets its next count, another one pays for it, and what is better stays.

`families` has the plans made by hand.

Source: Yang et al., "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile
Applications", ECCV 2018, algorithm 1 (the descent, there with a short training after
each round).
"""

from __future__ import annotations

import numpy as np

from tfcompress.amc.moves import Moves
from tfcompress.amc.scoring import Found, Scorer

_DESCENT = 0.75  # of greedy's evaluations; the rest is for trades
_DRAWS = 20  # per evaluation: a small problem runs out of different plans


def random_search(scorer: Scorer, *, seed: int = 0) -> Found:
    """Draw plans until the evaluations are used up, or no new ones turn up."""
    rng = np.random.default_rng(seed)
    plans = scorer.problem.plans
    spec = plans.environment.action_spec()
    for _ in range(_DRAWS * scorer.left):
        if scorer.left <= 0:
            break
        low, high = float(spec.minimum), float(spec.maximum)
        actions = rng.uniform(low, high, len(plans.decisions)).tolist()
        scorer.reward(plans.widths(plans.episode_plan(actions)))
    return scorer.found()


def greedy(scorer: Scorer, *, seed: int = 0) -> Found:
    """Descend to the budget, then trade channels between groups."""
    moves = Moves(scorer.problem)
    widths = moves.sizes
    count = len(widths)
    rounds = max(1, int(_DESCENT * scorer.left) // count)
    start, end = moves.share(widths), moves.goal
    for number in range(1, 1 + 2 * rounds):
        target = start + (end - start) * min(1.0, number / rounds)
        trials = moves.cuts(widths, target) if moves.share(widths) > end else []
        if not trials or scorer.left <= len(trials):  # one is left for the end
            break
        widths = max(
            trials, key=lambda trial: scorer.reward(trial, fits=moves.fits(trial))
        )
    if not moves.fits(widths):
        widths = moves.bounded(widths)
    scorer.reward(widths)
    _trade(scorer, moves, np.random.default_rng(seed))
    return scorer.found()


def _trade(scorer: Scorer, moves: Moves, rng: np.random.Generator) -> None:
    """Exchange channels between groups as long as it helps and may be judged."""
    better = True
    while better:
        better = False
        for trial in moves.trades(scorer.best, rng):
            if scorer.left <= 0:
                return
            if scorer.known(trial):
                continue
            before = scorer.best
            scorer.reward(trial)
            if scorer.best != before:
                better = True
                break
