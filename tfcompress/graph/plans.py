"""A pruning plan: which channels of each group are kept."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors, files
from tfcompress.graph.atoms import IntArray

if TYPE_CHECKING:
    from tfcompress.graph.tracing import LayerGraph

SCHEMA = 1


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PruningPlan:
    """The channels that survive, for one model.

    Attributes:
        keep: For each cut group, the sorted indices of its kept channels. A group that
            is not named keeps all.
        sizes: The number of channels of every group before the cut.
        model_name: Name of the model that the plan is for.
        fingerprint: `LayerGraph.fingerprint` of that model.
    """

    keep: Mapping[str, IntArray]
    sizes: Mapping[str, int]
    model_name: str
    fingerprint: str

    @classmethod
    def of(
        cls, graph: LayerGraph, keep: Mapping[str, npt.ArrayLike] | None = None
    ) -> PruningPlan:
        """Make a plan for a graph; groups that `keep` does not name keep all channels.

        Raises:
            PlanError: If a group is unknown, or its indices are not sorted, repeat, are
                out of range, or leave nothing.
        """
        plan = cls(
            keep={name: np.asarray(kept) for name, kept in (keep or {}).items()},
            sizes={group.name: group.size for group in graph.groups},
            model_name=graph.name,
            fingerprint=graph.fingerprint,
        )
        plan.validate(graph)
        return plan

    @classmethod
    def full(cls, graph: LayerGraph) -> PruningPlan:
        """Make the plan that keeps everything."""
        return cls.of(graph)

    def kept(self, group: str) -> int:
        """Return how many channels of a group survive."""
        keep = self.keep.get(group)
        return self.sizes[group] if keep is None else int(keep.size)

    def widths(self) -> dict[str, int]:
        """Return how many channels of each group survive."""
        return {name: self.kept(name) for name in self.sizes}

    def validate(self, graph: LayerGraph) -> None:
        """Check that the plan fits a graph.

        Raises:
            PlanError: If it was made for another model, or its indices do not fit.
        """
        if self.fingerprint != graph.fingerprint:
            raise errors.PlanError(
                f"The plan was made for another model. Received: a plan for "
                f"{self.model_name!r} ({self.fingerprint}) and model {graph.name!r} "
                f"({graph.fingerprint}). Make a plan for this model with "
                "`tfcompress.select`."
            )
        sizes = {group.name: group.size for group in graph.groups}
        for name, keep in self.keep.items():
            if name not in sizes:
                raise errors.PlanError(
                    f"The plan names an unknown channel group. Received: {name!r}; the "
                    f"model has {', '.join(sizes) or 'none'}. Remove it from the plan."
                )
            _check_indices(name, keep, sizes[name])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return {
            "schema": SCHEMA,
            "model_name": self.model_name,
            "fingerprint": self.fingerprint,
            "sizes": dict(self.sizes),
            "keep": {name: keep.tolist() for name, keep in self.keep.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PruningPlan:
        """Rebuild a plan from `to_dict`.

        Raises:
            PlanError: If an entry is missing or has the wrong form.
        """
        try:
            if values["schema"] != SCHEMA:
                raise errors.PlanError(
                    "The plan has another format. Received: schema "
                    f"{values['schema']}; this version reads {SCHEMA}. Make it again."
                )
            return cls(
                keep={
                    str(name): np.asarray(keep, np.int64)
                    for name, keep in values["keep"].items()
                },
                sizes={str(name): int(size) for name, size in values["sizes"].items()},
                model_name=str(values["model_name"]),
                fingerprint=str(values["fingerprint"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise errors.PlanError(
                f"This is not a pruning plan. Received: an object without a valid "
                f"{error}. Pass a file that `PruningPlan.save` or "
                "`tfcompress amc` wrote."
            ) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan as JSON, atomically."""
        files.write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PruningPlan:
        """Read a plan that `save` wrote.

        Raises:
            DataError: If the file cannot be read.
            PlanError: If it is not a plan.
        """
        content = files.read_json(path)
        try:
            return cls.from_dict(content)
        except errors.PlanError as error:
            raise errors.PlanError(f"{error} The file is {os.fspath(path)}.") from error


def _check_indices(name: str, keep: IntArray, size: int) -> None:
    whole = keep.ndim == 1 and np.issubdtype(keep.dtype, np.integer) and keep.size > 0
    if not whole or keep[0] < 0 or keep[-1] >= size or np.any(np.diff(keep) <= 0):
        raise errors.PlanError(
            f"The kept channels of group {name!r} are not valid. Received: "
            f"{np.array2string(keep, threshold=8)}; they must be at least one sorted, "
            f"distinct index from 0 to {size - 1}."
        )
