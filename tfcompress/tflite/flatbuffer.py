"""Read FlatBuffers tables by a layout, checking every offset before following it.

A FlatBuffers file is a tree of tables.  A table starts with a signed offset back to
its vtable, which holds, per field, where the field lies inside the table (0: absent)::

    table:   [offset to vtable: i32][fields ...]
    vtable:  [its size: u16][table size: u16][field 0: u16][field 1: u16] ...
    vector:  [length: u32][items ...]       string: a vector of bytes and a final 0

Generated readers trust all of these numbers, native ones crash on a wrong one.  Here a
number that leads out of the file is a `MalformedError` error, so a hostile or truncated
file costs one line.  The same checks as the official C++ verifier, in its order.

Source: FlatBuffers documentation, "FlatBuffers Internals" (format), "Verifier".
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

MAX_TABLES = 1_000_000  # the C++ verifier's default: no blow-up by shared offsets
MAX_ITEMS = 4_000_000  # in lists that become Python objects

_SCALARS = {
    "bool": "<?",
    "i8": "<b",
    "u8": "<B",
    "i32": "<i",
    "u32": "<I",
    "i64": "<q",
    "u64": "<Q",
    "f32": "<f",
}


class MalformedError(Exception):
    """A number in the file leads out of it."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a table: its slot in the vtable and how to read it.

    Args:
        slot: Position in the schema, from 0.
        kind: A scalar name such as ``i32``; ``string``; ``vector`` (of scalars);
            ``table``; ``tables``.
        of: The scalar of a vector, or the layout's name of a table.
    """

    slot: int
    kind: str
    of: str = ""


Layout = Mapping[str, Mapping[str, Field]]


def read(data: bytes, layout: Layout, root: str) -> dict[str, Any]:
    """Read the whole tree below the root table, checking it on the way.

    Args:
        data: The file.
        layout: Table name to fields; fields that it leaves out are not followed.
        root: The table that the file starts with.

    Returns:
        One dict per table. A missing scalar is 0, a missing vector an empty array, a
        missing list of tables ``[]``, a missing string ``""``, a missing table None.

    Raises:
        MalformedError: If anything lies outside the file.
    """
    return _Reader(data, layout).table(_u32(data, 0), root)


class _Reader:
    """Hold the file and count the tables read so far."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        self.data = data
        self.layout = layout
        self.num_tables = 0

    def table(self, position: int, name: str) -> dict[str, Any]:
        self.num_tables += 1
        if self.num_tables > MAX_TABLES:
            raise MalformedError(f"more than {MAX_TABLES} tables")
        offsets, size = self._vtable(position, name)
        values: dict[str, Any] = {}
        for field_name, field in self.layout[name].items():
            inside = offsets[field.slot] if field.slot < len(offsets) else 0
            if not inside:
                values[field_name] = _missing(field)
                continue
            if inside + _inline_size(field) > size:
                raise MalformedError(
                    f"field {name}.{field_name} lies outside its table"
                )
            where = f"{name}.{field_name}"
            values[field_name] = self._value(position + inside, field, where)
        return values

    def _vtable(self, position: int, name: str) -> tuple[tuple[int, ...], int]:
        start = position - _scalar(self.data, position, "i32", name)
        self._within(start, 4, f"the vtable of {name}")
        vtable_size, size = struct.unpack_from("<HH", self.data, start)
        if vtable_size < 4 or vtable_size % 2:
            raise MalformedError(f"the vtable of {name} has {vtable_size} bytes")
        self._within(start, vtable_size, f"the vtable of {name}")
        self._within(position, max(size, 4), f"the table {name}")
        count = (vtable_size - 4) // 2
        return struct.unpack_from(f"<{count}H", self.data, start + 4), size

    def _value(self, position: int, field: Field, where: str) -> Any:
        if field.kind in _SCALARS:
            return _scalar(self.data, position, field.kind, where)
        target = position + _scalar(self.data, position, "u32", where)
        if field.kind == "table":
            return self.table(target, field.of)
        length = _scalar(self.data, target, "u32", where)
        if field.kind == "string":
            self._within(target + 4, length + 1, where)
            raw = self.data[target + 4 : target + 4 + length]
            return raw.decode("utf-8", errors="replace")
        if field.kind == "vector":
            return self._array(target + 4, length, field.of, where)
        return self._tables(target + 4, length, field.of, where)

    def _array(self, start: int, length: int, of: str, where: str) -> Any:
        dtype = np.dtype(_SCALARS[of].replace("?", "u1"))
        self._within(start, length * dtype.itemsize, where)
        return np.frombuffer(self.data, dtype, length, start)

    def _tables(
        self, start: int, length: int, of: str, where: str
    ) -> list[dict[str, Any]]:
        self._within(start, 4 * length, where)
        if length > MAX_ITEMS:
            raise MalformedError(f"{where} has {length} items")
        offsets = np.frombuffer(self.data, "<u4", length, start)
        return [
            self.table(start + 4 * i + int(offset), of)
            for i, offset in enumerate(offsets)
        ]

    def _within(self, start: int, size: int, what: str) -> None:
        if start < 0 or start + size > len(self.data):
            raise MalformedError(
                f"{what} spans bytes {start} to {start + size} of {len(self.data)}"
            )


def _scalar(data: bytes, position: int, kind: str, what: str) -> Any:
    code = _SCALARS[kind]
    if position < 0 or position + struct.calcsize(code) > len(data):
        raise MalformedError(f"{what} is at byte {position} of {len(data)}")
    return struct.unpack_from(code, data, position)[0]


def _u32(data: bytes, position: int) -> int:
    return int(_scalar(data, position, "u32", "the root"))


def _inline_size(field: Field) -> int:
    return struct.calcsize(_SCALARS.get(field.kind, "<I"))


def _missing(field: Field) -> Any:
    if field.kind in _SCALARS:
        return 0
    if field.kind == "vector":
        return np.zeros(0, _SCALARS[field.of].replace("?", "u1"))
    return {"tables": [], "string": "", "table": None}[field.kind]
