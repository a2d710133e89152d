"""Names of a package that import their module when they are first asked for (PEP 562).

Importing TensorFlow takes seconds, and much of the toolkit works without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def names(
    package: str, owners: Mapping[str, str], *, modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``.

    Args:
        package: Its ``__name__``.
        owners: For each name that it lends, the module inside it that owns the name.
        modules: Names of its modules that are themselves asked for.

    Example:
        >>> look_up, listing = names("tfcompress", {"ModelError": "errors"})
        >>> look_up("ModelError").__name__, listing()
        ('ModelError', ['ModelError'])
        >>> look_up("ModelErrors")
        Traceback (most recent call last):
        AttributeError: module 'tfcompress' has no attribute 'ModelErrors'
    """
    modules = tuple(modules)

    def look_up(name: str) -> Any:
        if name in owners:
            return getattr(importlib.import_module(f"{package}.{owners[name]}"), name)
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def listing() -> list[str]:
        return sorted((*owners, *modules))

    return look_up, listing
