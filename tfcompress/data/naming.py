"""Find a Python object by its "package.module:name"."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from tfcompress import errors


def find(text: str) -> Any:
    """Import what ``package.module:name`` names; the current folder is searched too.

    Raises:
        ConfigError: If the module cannot be imported or has no such name.

    Example:
        >>> find("math:sqrt")(16)
        4.0
        >>> find("math:squirt")
        Traceback (most recent call last):
        tfcompress.errors.ConfigError: There is no such function. Received: \
'math:squirt'; module 'math' has no 'squirt'. Check the name after the colon.
    """
    module_name, _, name = text.partition(":")
    here = os.getcwd()
    if here not in sys.path:  # a console script does not have it, `python -m` does
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise errors.ConfigError(
            f"A module cannot be imported. Received: {text!r} ({error}). Check the "
            "name before the colon, and that you run in the folder that holds it."
        ) from error
    try:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise errors.ConfigError(
            f"There is no such function. Received: {text!r}; module {module_name!r} "
            f"has no {name!r}. Check the name after the colon."
        ) from error
    return found
