"""Write what a stage did beside what it made: `<stage>.json`.

A record is plain JSON; `tfcompress.report` reads nothing else.
"""

from __future__ import annotations

import gzip
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import keras

from tfcompress import files, graph

SCHEMA = 1


def channel_rows(
    traced: graph.LayerGraph, plan: graph.PruningPlan
) -> list[dict[str, Any]]:
    """Return the channels of each group before and after a cut."""
    return [
        {
            "group": group.name,
            "layers": list(group.layers),
            "before": int(group.size),
            "after": plan.kept(group.name),
        }
        for group in traced.groups
    ]


def cost_of(model: keras.Model) -> dict[str, int] | None:
    """Return MACs, parameters and float32 weight bytes of a model."""
    found = graph.cost(model)
    return {
        "macs": int(found.macs),
        "params": int(found.params),
        "size_bytes": int(found.size_bytes),
    }


def file_sizes(path: pathlib.Path) -> dict[str, int]:
    """Return the bytes of a file, and of a .tflite file as in a compressed download."""
    content = path.read_bytes()
    if path.suffix == ".keras":  # it is an archive with its time of day in it
        return {"file_bytes": len(content)}
    packed = gzip.compress(content, mtime=0)
    return {"file_bytes": len(content), "gzip_bytes": len(packed)}


def plain(value: Any) -> Any:
    """Make JSON values: lists of tuples, ``None`` of what is not finite.

    Example:
        >>> plain({"loss": (0.5, float("nan"))})
        {'loss': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, pathlib.Path):
        return str(value)
    return value


def write_record(path: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Write a record atomically."""
    files.write_json(path, plain(record))
