"""Read values out of a JSON record and say exactly where a wrong one stands.

A record may lack anything that its stage did not measure, so a missing value is
``None`` (or empty); a value of the wrong kind is an error that names the file and the
key.  JSON as Python writes it may hold NaN and infinities; they are read as missing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from tfcompress import errors


@dataclasses.dataclass(frozen=True)
class Reader:
    """A JSON object together with the place it came from.

    Example:
        >>> reader = Reader("slim.json", {"model": {"cost": {"macs": 120}}})
        >>> reader.inside("model").inside("cost").number("macs")
        120
        >>> reader.number("model")
        Traceback (most recent call last):
        tfcompress.errors.DataError: This record is malformed. Received: slim.json \
with model={'cost': {'macs': 120}}; it must be a number. ...
    """

    file: str
    values: Mapping[str, Any]
    place: str = ""  # dotted key of `values` inside the file

    def number(self, *keys: str) -> int | float | None:
        """Return the first of `keys` that is there, as a finite number."""
        value = self._first(keys, _is_number, "a number")
        return value if value is None or math.isfinite(value) else None

    def count(self, key: str) -> int:
        """Return a number of things that has to be there."""
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse(key, value, "a whole number, 0 or more")
        return value

    def text(self, *keys: str) -> str | None:
        """Return the first of `keys` that is there, as a string."""
        value: str | None = self._first(keys, _is_text, "a string")
        return value

    def flag(self, *keys: str) -> bool | None:
        """Return the first of `keys` that is there, as true or false."""
        value: bool | None = self._first(keys, _is_flag, "true or false")
        return value

    def inside(self, *keys: str) -> Reader:
        """Return a reader of the object under the first of `keys`; empty if none is."""
        value = self._first(keys, _is_mapping, "an object")
        name = next((key for key in keys if self.values.get(key) is not None), keys[0])
        return Reader(self.file, value or {}, self.at(name))

    def items(self, *keys: str) -> list[Reader]:
        """Return a reader for each object of the list under the first of `keys`."""
        name, values = self._list(keys)
        for index, value in enumerate(values):
            if not isinstance(value, Mapping):
                self.refuse(f"{name}[{index}]", value, "an object")
        return [
            Reader(self.file, value, self.at(f"{name}[{index}]"))
            for index, value in enumerate(values)
        ]

    def numbers(self, *keys: str) -> list[float | None]:
        """Return a list of numbers, ``None`` where one is not finite."""
        name, values = self._list(keys)
        for index, value in enumerate(values):
            if value is not None and not _is_number(value):
                self.refuse(f"{name}[{index}]", value, "a number")
        return [v if v is not None and math.isfinite(v) else None for v in values]

    def texts(self, *keys: str) -> list[str]:
        """Return a list of strings; other plain values are written as text."""
        return [str(value) for value in self._list(keys)[1]]

    def at(self, key: str) -> str:
        """Return the dotted key of `key` in the whole file."""
        return f"{self.place}.{key}" if self.place else key

    def refuse(self, key: str, value: object, expected: str) -> NoReturn:
        """Raise the one error of a malformed record."""
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise errors.DataError(
            f"This record is malformed. Received: {self.file} with "
            f"{self.at(key)}={shown}; it must be {expected}. Run the stage that wrote "
            "it again (delete the file, then repeat `tfcompress run`)."
        )

    def _list(self, keys: Sequence[str]) -> tuple[str, list[Any]]:
        values = self._first(keys, _is_list, "a list")
        name = next((key for key in keys if self.values.get(key) is not None), keys[0])
        return name, values or []

    def _first(
        self, keys: Sequence[str], fits: Callable[[object], bool], expected: str
    ) -> Any:
        for key in keys:
            value = self.values.get(key)
            if value is not None:
                if not fits(value):
                    self.refuse(key, value, expected)
                return value
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_list(value: object) -> bool:
    return isinstance(value, list)
