"""What quantization-aware training covers of a model, and what it leaves in float."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizeReport:
    """What was done to a model.

    Attributes:
        recipe: The recipe of the model as a whole.
        layers: For each layer that is quantized, its recipe.
        float_layers: For each layer that stays in floating point, why.
        folded: For each BatchNorm that folds, the layer that it folds into.
        tied: Groups of layers whose outputs share a scale.
        notes: What else to know, such as layers that could not be copied.
    """

    recipe: str
    layers: Mapping[str, str]
    float_layers: Mapping[str, str]
    folded: Mapping[str, str]
    tied: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def fully_quantized(self) -> bool:
        """Whether nothing stays in float."""
        return not self.float_layers

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "recipe": self.recipe,
            "fully_quantized": self.fully_quantized,
            "layers": dict(self.layers),
            "float_layers": dict(self.float_layers),
            "folded": dict(self.folded),
            "tied": [list(group) for group in self.tied],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Return the report as a few lines."""
        lines = [f"{self.recipe}: {len(self.layers)} layers quantized"]
        lines += [
            f"  in float: {name} ({reason})"
            for name, reason in self.float_layers.items()
        ]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])
