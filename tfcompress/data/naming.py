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
'math:squirt'; module 'math' has no 'squirt'. Give it as package.module:function.
    """
    module_name, _, name = text.partition(":")
    here = os.getcwd()
    if here not in sys.path:  # a console script does not have it, `python -m` does
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module of the user's may raise anything
        raise errors.ConfigError(
            f"A module cannot be imported. Received: {text!r} "
            f"({type(error).__name__}: {error}). Give it as package.module:function, "
            "and run in the folder that holds the package."
        ) from error
    try:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise errors.ConfigError(
            f"There is no such function. Received: {text!r}; module {module_name!r} "
            f"has no {name!r}. Give it as package.module:function."
        ) from error
    return found
