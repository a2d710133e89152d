"""Actor and critic in NumPy: their parameters, their values and their gradients.

The actor says what to do, the critic how good that is::

    actor:  s -> ReLU(s W1 + b1) -> ReLU(. W2 + b2) -> sigmoid(. w3 + b3) = mu(s)
    critic: s, a -> ReLU(s W1 + a wa + b1) -> ReLU(. W2 + b2) -> . w3 + b3 = Q(s, a)

An agent's networks are so small that a framework's bookkeeping takes longer than their
arithmetic, so they are written out: forward passes that work in place, backward passes
that write into one flat vector.  ``benchmarks/amc_agent_speed.py`` compares a whole
update with one compiled TensorFlow function.

Source: He et al., "AMC", ECCV 2018, appendix (two hidden layers of 300 units);
Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR 2016,
section 7: initial weights uniform within 1 / sqrt(fan-in), and within 0.003 in the
last layer, so that the first actions are near 0.5 and the first values near 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

OUTPUT_RANGE = 0.003  # of the initial weights of the last layer


class Parameters:
    """Named arrays that are views of one flat vector.

    An optimizer then updates a network in a few sweeps over one vector, and a state on
    disk is one array.

    Example:
        >>> parameters = Parameters({"w": (2, 3), "b": (3,)})
        >>> parameters["b"][:] = 1
        >>> parameters.flat
        array([0., 0., 0., 0., 0., 0., 1., 1., 1.], dtype=float32)
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.shapes = dict(shapes)
        self.flat: Array = np.zeros(sum(map(math.prod, shapes.values())), dtype)
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            self._views[name] = self.flat[start:stop].reshape(shape)
            start = stop

    def __getitem__(self, name: str) -> Array:
        """Return the array of that name, to read or to write into."""
        return self._views[name]

    def zeros(self) -> Parameters:
        """Return parameters of the same shapes, all zero: for gradients."""
        return Parameters(self.shapes, self.flat.dtype)

    def copy(self) -> Parameters:
        """Return parameters of the same values: for a target network."""
        twin = self.zeros()
        twin.flat[:] = self.flat
        return twin


def actor_parameters(
    num_features: int, hidden_units: int, generator: np.random.Generator
) -> Parameters:
    """Return the actor's initial parameters."""
    shapes = _shapes(num_features, hidden_units)
    fan_in = dict.fromkeys(("w1", "b1"), num_features)
    return _initial(
        shapes, fan_in | dict.fromkeys(("w2", "b2"), hidden_units), generator
    )


def critic_parameters(
    num_features: int, hidden_units: int, generator: np.random.Generator
) -> Parameters:
    """Return the critic's initial parameters; ``wa`` are the action's weights."""
    shapes = _shapes(num_features, hidden_units) | {"wa": (hidden_units,)}
    fan_in = dict.fromkeys(("w1", "b1"), num_features) | {"wa": 1}
    return _initial(
        shapes, fan_in | dict.fromkeys(("w2", "b2"), hidden_units), generator
    )


@dataclasses.dataclass(frozen=True)
class Pass:
    """What a forward pass leaves for the backward pass.

    Attributes:
        hidden1: First hidden layer, `[batch, hidden]`.
        hidden2: Second hidden layer, `[batch, hidden]`.
        output: The action or the value, `[batch]`.
    """

    hidden1: Array
    hidden2: Array
    output: Array


def act(actor: Parameters, observation: Array) -> Pass:
    """Run the actor.

    Args:
        actor: Its parameters.
        observation: `[batch, features]`.

    Returns:
        The actions, in (0, 1), as `output`.
    """
    done = _forward(actor, observation @ actor["w1"])
    half = np.tanh(0.5 * done.output)  # never overflows, unlike exp
    return dataclasses.replace(done, output=0.5 + 0.5 * half)


def value(critic: Parameters, observation: Array, action: Array) -> Pass:
    """Run the critic.

    Args:
        critic: Its parameters.
        observation: `[batch, features]`.
        action: `[batch]`.

    Returns:
        The values Q(s, a) as `output`.
    """
    first = observation @ critic["w1"]
    first += np.multiply.outer(action, critic["wa"])
    return _forward(critic, first)


def act_backward(
    actor: Parameters,
    observation: Array,
    done: Pass,
    output_gradient: Array,
    gradients: Parameters,
) -> None:
    """Write the gradients of ``sum(output_gradient * mu(s))`` into `gradients`."""
    slope = done.output * (1 - done.output)  # of the sigmoid
    inner = _backward(actor, done, output_gradient * slope, gradients)
    np.matmul(observation.T, inner, out=gradients["w1"])


def value_backward(
    critic: Parameters,
    inputs: tuple[Array, Array],
    done: Pass,
    output_gradient: Array,
    gradients: Parameters,
) -> None:
    """Write the gradients of ``sum(output_gradient * Q(s, a))`` into `gradients`."""
    observation, action = inputs
    inner = _backward(critic, done, output_gradient, gradients)
    np.matmul(observation.T, inner, out=gradients["w1"])
    np.matmul(action, inner, out=gradients["wa"])


def action_gradient(critic: Parameters, done: Pass, output_gradient: Array) -> Array:
    """Return the gradient of ``sum(output_gradient * Q(s, a))`` by a, `[batch]`."""
    return _backward(critic, done, output_gradient, None) @ critic["wa"]


def _forward(parameters: Parameters, first: Array) -> Pass:
    """Run the layers that actor and critic share; `first` is overwritten."""
    first += parameters["b1"]
    hidden1 = np.maximum(first, 0, out=first)
    second = hidden1 @ parameters["w2"]
    second += parameters["b2"]
    hidden2 = np.maximum(second, 0, out=second)
    return Pass(hidden1, hidden2, hidden2 @ parameters["w3"] + parameters["b3"])


def _backward(
    parameters: Parameters,
    done: Pass,
    output_gradient: Array,
    gradients: Parameters | None,
) -> Array:
    """Go back to before the first ReLU; write the shared layers' gradients."""
    second = np.multiply.outer(output_gradient, parameters["w3"])
    second *= done.hidden2 > 0
    first = second @ parameters["w2"].T
    first *= done.hidden1 > 0
    if gradients is not None:
        np.matmul(output_gradient, done.hidden2, out=gradients["w3"])
        np.sum(output_gradient, out=gradients["b3"])
        np.matmul(done.hidden1.T, second, out=gradients["w2"])
        np.sum(second, axis=0, out=gradients["b2"])
        np.sum(first, axis=0, out=gradients["b1"])
    return first


def _shapes(num_features: int, hidden_units: int) -> dict[str, tuple[int, ...]]:
    hidden = (hidden_units,)
    return {
        "w1": (num_features, hidden_units), "b1": hidden,
        "w2": (hidden_units, hidden_units), "b2": hidden,
        "w3": hidden, "b3": (),
    }  # fmt: skip


def _initial(
    shapes: Mapping[str, tuple[int, ...]],
    fan_in: Mapping[str, int],
    generator: np.random.Generator,
) -> Parameters:
    parameters = Parameters(shapes)
    for name, shape in shapes.items():
        bound = fan_in[name] ** -0.5 if name in fan_in else OUTPUT_RANGE
        parameters[name][...] = generator.uniform(-bound, bound, shape)
    return parameters
