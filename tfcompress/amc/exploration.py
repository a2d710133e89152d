"""Where the episodes of a search go: by hand, at random, near the best, near the actor.

1. With a budget the first episodes are the plans made by hand (`families`).
2. The rest of the warm-up is uniformly random.
3. After it a share of the episodes (``near_best``) varies the best plan so far: a group
   drawn at random moves by a truncated normal step, and others pay for it or get what
   it leaves (`Moves.neighbour`).  Of many such steps that one is judged which a model
   of the rewards expects most of (`reward_model`).  The others follow the actor, with
   its noise.
4. A plan that this search has judged already is drawn again, so that an evaluation is
   spent on a new one, as random and greedy search spend theirs.

The agent learns from all of them alike: deterministic policy gradients are off-policy.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.2, has random episodes, then the actor's.  Where we
differ: 1, 3 and 4.  With 400 plans for a dozen decisions and noise on every one of them
the actor alone ended up to seven points below greedy search, and differently with each
seed (ResNet-20, half of the MACs).  Learning from the best that was seen: Oh et al.,
"Self-Imitation Learning", ICML 2018; a learned model beside the agent that chooses
experience for it: R. S. Sutton, "Dyna", SIGART Bulletin 1991.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.amc import families
from tfcompress.amc.agent import DdpgAgent
from tfcompress.amc.blas import one_blas_thread
from tfcompress.amc.driver import Episode, Policy, run_episode
from tfcompress.amc.generators import generator_state, set_generator_state
from tfcompress.amc.moves import Moves
from tfcompress.amc.noise import noise_at
from tfcompress.amc.plan_kinds import Widths
from tfcompress.amc.problem import Problem
from tfcompress.amc.reward_model import RewardModel

_DRAWS = 20  # for one new plan; a small problem runs out of them
_STREAM = 1  # sets the draws here apart from the agent's, of the same seed


class Explorer:
    """Runs episodes, each with the policy that its number asks for.

    Args:
        problem: What is searched.
        agent: Has the actor, and the noise of an episode.
    """

    def __init__(self, problem: Problem, agent: DdpgAgent) -> None:
        self._problem, self._agent, self._config = problem, agent, problem.config
        self._moves = Moves(problem)
        self._random = np.random.default_rng([problem.config.seed, _STREAM])
        self._by_hand = families.plans(problem) if problem.budget is not None else []
        self._model = RewardModel(self._moves.sizes)

    def episode(self, number: int, best: Widths | None) -> Episode:
        """Run an episode, counted from 0, whose plan is new if that can be.

        Args:
            number: Decides about the policy and its noise.
            best: The widths of the best plan so far.
        """
        plans = self._problem.plans
        for _ in range(_DRAWS):
            episode = run_episode(self._problem.environment, self._policy(number, best))
            widths = plans.widths(plans.environment.plan)
            if widths not in self._model:
                break
        self._model.add(widths, episode.reward)
        return episode

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        return {"random": generator_state(self._random), **self._model.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the draws that would have come next."""
        set_generator_state(self._random, state["random"])
        self._model.restore(state)

    def _policy(self, number: int, best: Widths | None) -> Policy:
        if self._agent.warming_up(number):
            if number < len(self._by_hand):
                return self._asking_for(self._by_hand[number])
        elif best is not None and self._random.random() < self._config.near_best:
            return self._asking_for(self._near(best, number))
        return self._of_the_agent(number)

    def _of_the_agent(self, number: int) -> Policy:
        def policy(observation: npt.NDArray[np.float32]) -> float:
            return self._agent.collect_policy(observation, episode=number)

        return policy

    def _near(self, best: Widths, number: int) -> Widths:
        """Return the most promising one of several new plans near the best."""
        config = self._config
        sigma = noise_at(
            number,
            warmup_episodes=config.warmup_episodes,
            noise=config.near_best_noise,
            noise_decay=config.noise_decay,
        )
        drawn = [
            self._moves.neighbour(best, self._random, sigma)
            for _ in range(config.near_best_draws)
        ]
        new = list(dict.fromkeys(plan for plan in drawn if plan not in self._model))
        if len(new) < 2 or len(self._model) < 2:
            return (new or drawn)[0]
        with one_blas_thread():
            return new[int(np.argmax(self._model.expected_improvement(new)))]

    def _asking_for(self, widths: Widths) -> Policy:
        actions = iter(self._problem.plans.actions(widths))
        return lambda _: next(actions)
