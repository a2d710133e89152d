"""Reading records of this version and of the one before.

Schema 1 (of the first release) knew the host alone: no delegation, rounds or device
state, and ``emulator`` for what is ``emulated`` now.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from android_bench.errors import BenchmarkError

SCHEMA = 2
_READABLE = (1, SCHEMA)

_KINDS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
}

T = TypeVar("T")


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's fields as this version has them, without the schema.

    Raises:
        BenchmarkError: If it is of a version that is not known here.
    """
    record = dict(values)
    version = record.pop("schema", None)
    if version not in _READABLE:
        raise BenchmarkError(
            f"This is no benchmark record of this version. Received: schema="
            f"{version!r}; expected {' or '.join(map(str, _READABLE))}. Measure again."
        )
    if version == 1 and record.get("where") == "emulator":
        record["where"] = "emulated"
    return record


def build(cls: type[T], values: Mapping[str, Any]) -> T:
    """Make a frozen record of plain JSON values, its parts too.

    Raises:
        TypeError: If a field is missing, unknown, or of the wrong kind.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{cls.__name__} is {values!r}, expected an object")
    hints = typing.get_type_hints(cls)
    return cls(
        **{
            name: _value(hints[name], value) if name in hints else value
            for name, value in values.items()
        }
    )


def _value(hint: Any, value: Any) -> Any:
    """Turn a JSON value into what the field's annotation says."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if value is None:
            return None
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_value(item, part) for part in value)
    if hint in _KINDS and (
        not isinstance(value, _KINDS[hint])
        or isinstance(value, bool) is not (hint is bool)
    ):
        raise TypeError(f"{value!r} is no {hint.__name__}")
    return value
