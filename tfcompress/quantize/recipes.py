"""What a quantization recipe means: bits of weights, bits and form of activations.

============  =======  ==============================  ============================
recipe        weights  activations                     use it
============  =======  ==============================  ============================
``float32``   float32  float32                         for layers to leave alone
``int8``      8 bits   8 bits, asymmetric              small and fast everywhere
``int8_w4``   4 bits   8 bits, asymmetric              half the size of ``int8``
``int16x8``   8 bits   16 bits, symmetric              when ``int8`` loses too much
============  =======  ==============================  ============================

Weights are symmetric with a narrow range: 8 bits are the integers -127 to 127, 4 bits
-7 to 7.

Source: B. Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018, section 2.1; TensorFlow Lite's 8-bit
quantization specification.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from types import MappingProxyType


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of one recipe.

    Attributes:
        name: Its name.
        weight_bits: 8 or 4; None: float.
        activation_bits: 8 or 16; None: float.
    """

    name: str
    weight_bits: int | None
    activation_bits: int | None

    @property
    def is_float(self) -> bool:
        """Whether nothing is quantized."""
        return self.activation_bits is None


_ALL = (
    Recipe(name="float32", weight_bits=None, activation_bits=None),
    Recipe(name="int8", weight_bits=8, activation_bits=8),
    Recipe(name="int8_w4", weight_bits=4, activation_bits=8),
    Recipe(name="int16x8", weight_bits=8, activation_bits=16),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({one.name: one for one in _ALL})


def find(name: str, *, whole_model: bool = False) -> Recipe:
    """Return the recipe of a name.

    Args:
        name: Its name.
        whole_model: Refuse ``float32``, which quantizes nothing.

    Raises:
        ValueError: If there is no such recipe; the nearest is suggested.

    Example:
        >>> find("int8_w4").weight_bits
        4
    """
    known = [one.name for one in _ALL if not (whole_model and one.is_float)]
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Unknown recipe. Received: recipe={name!r}; it must be one of "
            f"{', '.join(known)}.{hint}"
        )
    return RECIPES[name]
