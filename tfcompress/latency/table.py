"""The latency table: milliseconds of operators, and the conditions they hold under."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcompress import errors, files
from tfcompress.latency.families import Family

SCHEMA = 1
Counts = tuple[int, int]
SHARED = "shared"
"""The correction of networks that have none of their own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a table's milliseconds hold for.

    Attributes:
        target: ``"host"`` or the serial of a device.
        where: ``device``, ``emulated``, ``software_gpu`` or ``host``.
        recipe: Quantization recipe of the files.
        num_threads: Threads of the runtime.
        delegate: Such as ``"cpu"``.
        device: Name of the machine or the phone's model.
        runtime: Name and version of what ran the files.
    """

    target: str
    where: str
    recipe: str
    num_threads: int
    delegate: str
    device: str = ""
    runtime: str = ""

    def refuse_others(self, others: Conditions, path: str) -> None:
        """Refuse to mix measurements of different conditions.

        Raises:
            ConfigError: If anything differs; the message names what.
        """
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(others)
        unlike = [name for name in mine if mine[name] != theirs[name]]
        if unlike:
            received = ", ".join(f"{name}={theirs[name]!r}" for name in unlike)
            wanted = ", ".join(f"{name}={mine[name]!r}" for name in unlike)
            raise errors.ConfigError(
                "This latency table was measured under other conditions. Received: "
                f"{path} with {received}; expected {wanted}. Write to another "
                "folder with `-o`."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Correction:
    """What whole networks take beyond the sum of their operators.

    Attributes:
        coefficients: By name of the feature, see `corrections`.
        networks: How many measured networks it is fitted to.
        median_error: Of the fit on those networks, as a fraction.
    """

    coefficients: Mapping[str, float]
    networks: int
    median_error: float


@dataclasses.dataclass(kw_only=True, eq=False)
class Table:
    """Measured operators under one set of conditions; grows while it is built.

    Attributes:
        conditions: What the milliseconds hold for.
        families: The operators, by `Family.key`.
        points: By family and channels in and out, milliseconds of one run.
        networks: By fingerprint of a graph, what was measured of whole networks:
            the kept counts of each group, and milliseconds.
        corrections: By fingerprint of a graph, and `SHARED`.
    """

    conditions: Conditions
    families: dict[str, Family] = dataclasses.field(default_factory=dict)
    points: dict[str, dict[Counts, float]] = dataclasses.field(default_factory=dict)
    networks: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    corrections: dict[str, Correction] = dataclasses.field(default_factory=dict)

    def add(self, family: Family, counts: Counts, milliseconds: float) -> None:
        """Record one operator.

        Raises:
            BenchmarkError: If the time is no positive number.
        """
        if not (np.isfinite(milliseconds) and milliseconds > 0):
            raise errors.BenchmarkError(
                "A measurement is no time. Received: "
                f"{milliseconds!r} ms of {family.key} with channels {counts}; expected "
                "a positive number. Measure again."
            )
        self.families[family.key] = family
        self.points.setdefault(family.key, {})[counts] = float(milliseconds)

    def has(self, family: Family, counts: Counts) -> bool:
        """Return whether this operator is measured."""
        return counts in self.points.get(family.key, {})

    @property
    def num_points(self) -> int:
        """Return how many operators are measured."""
        return sum(len(points) for points in self.points.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        return {
            "schema": SCHEMA,
            "conditions": dataclasses.asdict(self.conditions),
            "families": [
                {
                    "family": family.to_dict(),
                    "counts": [list(counts) for counts in self.points[key]],
                    "latency_ms": list(self.points[key].values()),
                }
                for key, family in self.families.items()
            ],
            "networks": self.networks,
            "corrections": {
                key: dataclasses.asdict(correction)
                for key, correction in self.corrections.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Table:
        """Rebuild a table from `to_dict`.

        Raises:
            DataError: If it has another format.
        """
        try:
            _check_schema(values["schema"])
            table = cls(conditions=Conditions(**values["conditions"]))
            for row in values["families"]:
                family = Family.from_dict(row["family"])
                for counts, ms in zip(row["counts"], row["latency_ms"], strict=True):
                    table.add(family, (int(counts[0]), int(counts[1])), ms)
            table.networks = {k: list(v) for k, v in values["networks"].items()}
            table.corrections = {
                key: Correction(**entry) for key, entry in values["corrections"].items()
            }
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise errors.DataError(
                "This is no latency table. Received: an object without a valid "
                f"{error}. Pass a file that `tfcompress latency` wrote."
            ) from error
        return table

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON, atomically."""
        files.write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Table:
        """Read a table that `save` wrote.

        Raises:
            DataError: If the file cannot be read or is no table.
        """
        return cls.from_dict(files.read_json(path))


def _check_schema(schema: object) -> None:
    if schema != SCHEMA:
        raise ValueError(f"schema: {schema}, where this version reads {SCHEMA}")
