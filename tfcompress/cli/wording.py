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
