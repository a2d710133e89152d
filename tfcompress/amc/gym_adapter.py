"""The environments as a `gymnasium.Env`, so that other agents can be tried.

::

    pip install 'tfcompress[gym]'

    from tfcompress.amc import GymAdapter
    env = GymAdapter(CompressionEnvironment(model, ...))

Gymnasium is an extra: it is imported when `GymAdapter` is first asked for.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.amc.episodes import EpisodeEnvironment

if TYPE_CHECKING:
    GymAdapter: Any

Array = npt.NDArray[Any]


class _Adapter:
    """An environment with Gymnasium's method names.

    The action is an array of one number in [0, 1], which the environment clips to its
    own range; the observation is the environment's.  Nothing is random, so that a seed
    changes nothing.

    Args:
        environment: What is adapted, such as a `CompressionEnvironment`.
    """

    def __init__(self, environment: EpisodeEnvironment) -> None:
        from gymnasium import spaces

        self.environment = environment
        shape = environment.observation_spec().shape
        self.observation_space = spaces.Box(0.0, 1.0, shape, np.float32)
        self.action_space = spaces.Box(0.0, 1.0, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start a new plan; return the first observation and an empty record."""
        super().reset(seed=seed, options=options)  # type: ignore[misc]  # of gymnasium.Env
        return self.environment.reset().observation, {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Make one decision.

        Returns:
            Observation, reward, whether the plan is finished, false (no plan is cut
            short), and the environment's `info`.
        """
        made = self.environment.step(action)
        reward = 0.0 if made.reward is None else float(made.reward)
        return made.observation, reward, made.last(), False, self.environment.info

    def render(self) -> None:
        """Show nothing: an episode has no picture."""


@functools.cache
def _adapter() -> type:
    """Make the class, now that Gymnasium is asked for.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise errors.ConfigError(
            "`GymAdapter` needs Gymnasium. Received: an installation without it. "
            "Install it with `pip install 'tfcompress[gym]'`."
        ) from error
    metadata: dict[str, Any] = {"render_modes": []}
    members = {"__doc__": _Adapter.__doc__, "metadata": metadata}
    return type("GymAdapter", (_Adapter, gymnasium.Env), members)


def __getattr__(name: str) -> Any:
    """Make `GymAdapter` on first access (PEP 562)."""
    if name == "GymAdapter":
        return _adapter()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
