"""What a run ran on: versions and machine, for the record."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
from typing import Any

import tfcompress

_PACKAGES = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "ai_edge_litert": "ai-edge-litert",
    "numpy": "numpy",
}


def environment() -> dict[str, Any]:
    """Return versions and the machine.

    Example:
        >>> sorted(environment())[:3]
        ['ai_edge_litert', 'cores', 'cpu']
    """
    return {
        "python": platform.python_version(),
        **{key: _version(package) for key, package in _PACKAGES.items()},
        "tfcompress": tfcompress.__version__,
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
