"""What critic and actor learn from a batch, as functions of arrays.

1. Critic: the value of an action is what it brought, less the baseline b, and the value
   of what the target networks do next::

       y = scale (r - b) + gamma * discount * Q'(s', mu'(s'))  loss = mean((Q - y)^2)

   Every transition of an episode carries the episode's final reward R.  With
   ``gamma = 0``, our default, ``Q(s, a)`` is what R is on average after a in s: the
   undiscounted return of a reward that comes once, at the end, learned without
   bootstrapping.  With the paper's ``gamma = 1`` it is that times the steps that are
   left, which has its optimum at the same actions, but is mostly a count of steps, and
   the errors of all later values add up: on the toy problem of
   ``tests/amc/test_toy_problem.py`` the agent is then worse than random search.
2. Actor: follow the critic's slope, ``grad = mean(dQ/da * dmu/dparameters)``; written
   as the gradient of the loss ``-mean(Q(s, mu(s)))``, whose minimum is sought.

Source: He et al., "AMC", ECCV 2018, section 3.2; Silver et al., "Deterministic policy
gradient algorithms", ICML 2014, theorem 1.
"""

from __future__ import annotations

import numpy as np

from tfcompress.amc.networks import (
    Array,
    Parameters,
    act,
    act_backward,
    action_gradient,
    value,
    value_backward,
)
from tfcompress.amc.replay import Transitions


def critic_targets(
    target_actor: Parameters,
    target_critic: Parameters,
    experience: Transitions,
    *,
    discount: float,
    baseline: float,
    scale: float = 1.0,
) -> Array:
    """Return what the critic should have said, `[batch]`: rule 1."""
    targets: Array = scale * (experience.reward_t - baseline)
    if discount == 0:
        return targets
    next_action = act(target_actor, experience.observation_t).output
    next_value = value(target_critic, experience.observation_t, next_action).output
    targets += discount * experience.discount_t * next_value
    return targets


def critic_loss_and_gradients(
    critic: Parameters, experience: Transitions, targets: Array, gradients: Parameters
) -> float:
    """Return the critic's loss and write its gradients into `gradients`: rule 1."""
    inputs = (experience.observation_tm1, experience.action_tm1)
    done = value(critic, *inputs)
    error = done.output - targets
    value_backward(critic, inputs, done, error * (2 / len(error)), gradients)
    return float(error @ error) / len(error)


def actor_gradients(
    actor: Parameters,
    critic: Parameters,
    observation: Array,
    gradients: Parameters,
) -> float:
    """Return the actor's loss and write its gradients into `gradients`: rule 2."""
    acted = act(actor, observation)
    judged = value(critic, observation, acted.output)
    each = np.full_like(judged.output, -1 / len(observation))
    slope = action_gradient(critic, judged, each)
    act_backward(actor, observation, acted, slope, gradients)
    return -float(judged.output.mean())
