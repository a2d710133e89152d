"""Say figures and results in a few words; no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def outcome(record: Mapping[str, Any]) -> str:
    """Say in a few words what a stage came to.

    Example:
        >>> outcome({"model": {"cost": {"macs": 2_000_000, "params": 90_000}}})
        '2.00M MACs, 90.0k params'
    """
    words = []
    cost = (record.get("model") or {}).get("cost")
    if cost:
        words.append(f"{number(cost['macs'])} MACs, {number(cost['params'])} params")
    if "file" in record.get("outputs", {}):
        words.append(f"{number(record['model']['file_bytes'])} bytes")
    validation = (record.get("evaluation") or {}).get("validation")
    if validation:
        words.append(f"validation {validation['metric']} {validation['value']:.4f}")
    if not record.get("passed", True):
        words.append("CHECK FAILED")
    return ", ".join(words)


def searched(search: Mapping[str, Any]) -> str:
    """Say in a line what a search tried and found.

    Example:
        >>> searched(
        ...     {
        ...         "history": [{}, {}, {}],
        ...         "evaluations": 2,
        ...         "metric": "accuracy",
        ...         "best": {"metric": 0.875, "reward": -0.125, "episode": 3},
        ...         "original": {"metric": 0.9},
        ...     }
        ... )
        'best of 3 plans, 2 of them different: number 3, held-out accuracy 0.8750
        (uncut 0.9000), reward -0.1250'
    """
    best, original = search["best"], search["original"]
    return (
        f"best of {len(search['history'])} plans, {search['evaluations']} of them "
        f"different: number {best['episode']}, held-out {search['metric']} "
        f"{best['metric']:.4f} (uncut {original['metric']:.4f}), reward "
        f"{best['reward']:.4f}"
    )


def number(value: float) -> str:
    """Write a large number shortly.

    Example:
        >>> number(300_774_272), number(12_345), number(999)
        ('300.77M', '12.3k', '999')
    """
    for limit, unit, digits in ((1e9, "G", 2), (1e6, "M", 2), (1e3, "k", 1)):
        if value >= limit:
            return f"{value / limit:.{digits}f}{unit}"
    return f"{value:g}"
