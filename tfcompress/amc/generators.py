"""Keep the state of a NumPy generator in an array, so that a search resumes its draws.

A `np.random.Generator` states itself as nested dicts with integers of 128 bits, which
neither ``.npz`` files nor every JSON reader hold; here they are six words of 64 bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WORD = 2**64


def generator_state(generator: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Return the state of a generator made by `np.random.default_rng`.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> stored = generator_state(generator)
        >>> first = generator.random()
        >>> set_generator_state(generator, stored)
        >>> generator.random() == first
        True
    """
    state = generator.bit_generator.state
    inner = state["state"]
    words = [*divmod(inner["state"], _WORD), *divmod(inner["inc"], _WORD)]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def set_generator_state(
    generator: np.random.Generator, stored: npt.NDArray[np.uint64]
) -> None:
    """Put a generator into a state that `generator_state` returned."""
    high, low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in stored)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high * _WORD + low, "inc": inc_high * _WORD + inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
