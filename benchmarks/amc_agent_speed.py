"""What one update of the AMC agent costs: NumPy against one compiled function.

    python -m benchmarks.amc_agent_speed

Both do the same update of the paper (critic and its targets, actor, two Adams, two
target networks of 300 units) on batches of 64, in turns in one run.  They start from
the same parameters, and nothing is measured unless they agree after the first update.
The second pair is one action for one state.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import timing
from tfcompress import files
from tfcompress.amc.agent import DdpgAgent
from tfcompress.amc.blas import one_blas_thread
from tfcompress.amc.encoding import encode
from tfcompress.amc.replay import FIELDS, Transitions
from tfcompress.amc.settings import AmcConfig

RESULTS = pathlib.Path(__file__).parent / "results" / "amc_agent_speed.json"
FEATURES, DECISIONS = 11, 20
ROUNDS, REPEATS = 15, 20


class CompiledAgent:
    """The same agent as variables and one `tf.function` per job."""

    def __init__(self, agent: DdpgAgent) -> None:
        self._config = agent.config
        learners = {"actor": agent._actor, "critic": agent._critic}  # noqa: SLF001
        self.variables = {
            f"{role}/{name}": tf.Variable(learner.parameters[name])
            for role, learner in learners.items()
            for name in learner.parameters.shapes
        }
        self._targets, self._first, self._second = (
            {n: tf.Variable(start(v)) for n, v in self.variables.items()}
            for start in (tf.identity, tf.zeros_like, tf.zeros_like)
        )
        self._steps = tf.Variable(0.0)
        self.train = tf.function(self._train, autograph=False)
        self.policy = tf.function(
            lambda state: self._act(self.variables, state), autograph=False
        )

    def _train(self, experience: dict[str, tf.Tensor], baseline: tf.Tensor) -> Any:
        before, after = experience["observation_tm1"], experience["observation_t"]
        following = self._value(self._targets, after, self._act(self._targets, after))
        targets = (
            experience["reward_t"]
            - baseline
            + (self._config.discount * experience["discount_t"] * following)
        )
        self._steps.assign_add(1.0)
        with tf.GradientTape() as tape:
            values = self._value(self.variables, before, experience["action_tm1"])
            critic_loss = tf.reduce_mean(tf.square(values - targets))
        self._follow(tape, critic_loss, "critic", self._config.critic_learning_rate)
        with tf.GradientTape() as tape:
            actions = self._act(self.variables, before)
            actor_loss = -tf.reduce_mean(self._value(self.variables, before, actions))
        self._follow(tape, actor_loss, "actor", self._config.actor_learning_rate)
        return critic_loss, actor_loss

    def _follow(self, tape: Any, loss: tf.Tensor, role: str, rate: float) -> None:
        own = {n: v for n, v in self.variables.items() if n.startswith(role)}
        for name, gradient in tape.gradient(loss, own).items():
            tf.raw_ops.ResourceApplyAdam(
                var=own[name].handle,
                m=self._first[name].handle,
                v=self._second[name].handle,
                beta1_power=tf.pow(0.9, self._steps),
                beta2_power=tf.pow(0.999, self._steps),
                lr=rate,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8 * tf.sqrt(1 - tf.pow(0.999, self._steps)),
                grad=gradient,
            )
            target = self._targets[name]
            target.assign_add(self._config.target_rate * (own[name] - target))

    def _act(self, of: dict[str, tf.Variable], state: tf.Tensor) -> tf.Tensor:
        first = state @ of["actor/w1"] + of["actor/b1"]
        return tf.sigmoid(self._rest(of, "actor", first))

    def _value(
        self, of: dict[str, tf.Variable], state: tf.Tensor, action: tf.Tensor
    ) -> tf.Tensor:
        first = state @ of["critic/w1"] + of["critic/b1"]
        return self._rest(of, "critic", first + action[:, None] * of["critic/wa"])

    def _rest(
        self, of: dict[str, tf.Variable], role: str, first: tf.Tensor
    ) -> tf.Tensor:
        hidden = tf.nn.relu(first)
        hidden = tf.nn.relu(hidden @ of[f"{role}/w2"] + of[f"{role}/b2"])
        return tf.linalg.matvec(hidden, of[f"{role}/w3"]) + of[f"{role}/b3"]


def batch(generator: np.random.Generator, size: int) -> Transitions:
    """Return random transitions of random decisions."""

    def states() -> np.ndarray:
        made = generator.random((size, FEATURES), np.float32)
        made[:, 0] = generator.integers(DECISIONS, size=size) / (DECISIONS - 1)
        return made

    return Transitions(
        observation_tm1=states(),
        action_tm1=generator.random(size, np.float32),
        reward_t=-generator.random(size, np.float32),
        discount_t=(generator.random(size) < 0.95).astype(np.float32),
        observation_t=states(),
    )


def tensors(experience: Transitions) -> dict[str, tf.Tensor]:
    """Return a batch as the compiled agent takes it."""
    arrays = {name: getattr(experience, name) for name in FIELDS}
    for name in ("observation_tm1", "observation_t"):
        arrays[name] = encode(arrays[name], DECISIONS)
    return {name: tf.constant(array) for name, array in arrays.items()}


def check_same(agent: DdpgAgent, compiled: CompiledAgent, rows: Transitions) -> None:
    """Update both once, and refuse to measure if they part."""
    agent.train(rows)
    compiled.train(tensors(rows), tf.constant(agent.baseline, tf.float32))
    for role in ("actor", "critic"):
        ours = agent.state()[f"{role}/parameters"]
        names = [n for n in compiled.variables if n.startswith(role)]
        theirs = [compiled.variables[n].numpy().ravel() for n in names]
        np.testing.assert_allclose(ours, np.concatenate(theirs), atol=1e-4)


def measure() -> dict[str, Any]:
    """Return the ratios NumPy / compiled of one update and of one action."""
    config = AmcConfig(discount=1.0)
    agent = DdpgAgent(FEATURES, config=config, seed=0, num_steps=DECISIONS)
    compiled = CompiledAgent(agent)
    rows = batch(np.random.default_rng(0), config.batch_size)
    check_same(agent, compiled, rows)
    baseline, state = tf.constant(-0.5), rows.observation_tm1[:1]
    pairs = {
        "update": (
            lambda: agent.train(rows),
            lambda: compiled.train(tensors(rows), baseline)[0].numpy(),
        ),
        "action": (
            lambda: agent.policy(state[0]),
            lambda: compiled.policy(tf.constant(encode(state, DECISIONS))).numpy(),
        ),
    }
    with one_blas_thread():  # as `driver.learn` updates
        return {
            f"agent, {job}: NumPy / compiled": timing.paired(
                *pair, rounds=ROUNDS, bound=1.0, repeats=(REPEATS, REPEATS)
            )
            for job, pair in pairs.items()
        }


def main() -> None:
    """Measure, print and write the results."""
    record = {
        "command": "python -m benchmarks.amc_agent_speed",
        "environment": timing.environment(),
        "ratios": measure(),
    }
    print(record["ratios"], flush=True)
    files.write_json(RESULTS, record)


if __name__ == "__main__":
    main()
