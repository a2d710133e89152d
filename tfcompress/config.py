"""The base of every frozen config: checks, dict and TOML, nearest-name hints.

A method's config is a frozen, keyword-only dataclass that inherits `Config`, comments
each field with its unit and source, and checks ranges in ``__post_init__`` with
`require`.
"""

from __future__ import annotations

import dataclasses
import difflib
import pathlib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Self

from tfcompress import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings that survive a trip through a dict, JSON or TOML.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Demo(Config):
        ...     epochs: int = 3
        >>> Demo.from_dict({"epochs": 5}).to_dict()
        {'epochs': 5}
        >>> Demo.from_dict({"epoch": 5})
        Traceback (most recent call last):
        tfcompress.errors.ConfigError: Unknown setting. Received: epoch=5; Demo has \
'epochs'. Did you mean 'epochs'?
    """

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the config, refusing unknown keys and wrong types by name.

        Raises:
            ConfigError: If a key is unknown (the nearest one is suggested), a value
                has the wrong type, or a value is out of its range.
        """
        hints = typing.get_type_hints(cls)
        known = [field.name for field in dataclasses.fields(cls)]
        for key, value in values.items():
            check_known(key, known, owner=cls.__name__, value=value)
            _check_type(key, value, hints[key])
        return cls(**{key: _frozen(value) for key, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }


def require(condition: object, name: str, value: object, expected: str) -> None:
    """Raise a `ConfigError` that names the setting unless `condition` holds.

    Example:
        >>> require(0.5 < 1, "alpha", 0.5, "a number under 1")
        >>> require(2 < 1, "alpha", 2, "a number under 1")
        Traceback (most recent call last):
        tfcompress.errors.ConfigError: A setting is out of its range. Received: \
alpha=2; it must be a number under 1.
    """
    if not condition:
        raise errors.ConfigError(
            f"A setting is out of its range. Received: {name}={value!r}; "
            f"it must be {expected}."
        )


def check_known(
    key: str, known: Iterable[str], *, owner: str, value: object = None
) -> None:
    """Refuse an unknown name and suggest the nearest known one.

    Raises:
        ConfigError: If `key` is not in `known`.
    """
    known = list(known)
    if key in known:
        return
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    names = ", ".join(repr(name) for name in known)
    received = key if value is None else f"{key}={value!r}"
    raise errors.ConfigError(
        f"Unknown setting. Received: {received}; {owner} has {names}.{hint}"
    )


def read_toml(path: str | pathlib.Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: If the file is missing or is not TOML (with the line).
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise errors.ConfigError(
            f"This file cannot be read. Received: {path} ({error.strerror}). "
            "Check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise errors.ConfigError(
            f"This file is not valid TOML. Received: {path} ({error}). "
            "See docs/workflows.md for an example."
        ) from error


def _check_type(key: str, value: object, hint: Any) -> None:
    """Accept what TOML and JSON can hold for the hinted type, refuse the rest."""
    if hint is Any:
        return
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if not any(_fits(value, option) for option in options):
        wanted = " or ".join(getattr(o, "__name__", str(o)) for o in options)
        raise errors.ConfigError(
            f"A setting has the wrong type. Received: {key}={value!r} "
            f"({type(value).__name__}); it must be {wanted}."
        )


def _fits(value: object, hint: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin is tuple:
        return isinstance(value, list | tuple)
    return isinstance(value, origin) if isinstance(origin, type) else True


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, pathlib.Path):
        return str(value)
    return value
