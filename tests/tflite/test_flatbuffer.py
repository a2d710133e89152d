import contextlib
import struct

import flatbuffers
import numpy as np
import pytest

from tfcompress.tflite import flatbuffer
from tfcompress.tflite.flatbuffer import Field, MalformedError, read

LAYOUT = {
    "Root": {
        "number": Field(0, "i32"),
        "name": Field(1, "string"),
        "values": Field(2, "vector", "f32"),
        "children": Field(3, "tables", "Child"),
        "child": Field(4, "table", "Child"),
        "absent": Field(5, "i64"),
    },
    "Child": {"size": Field(0, "u8")},
}


def child(builder, size):
    builder.StartObject(1)
    builder.PrependUint8Slot(0, size, 0)
    return builder.EndObject()


@pytest.fixture
def content():
    builder = flatbuffers.Builder(64)
    name = builder.CreateString("hello")
    values = builder.CreateNumpyVector(np.array([1.5, -2.0], np.float32))
    children = [child(builder, 7), child(builder, 8)]
    builder.StartVector(4, 2, 4)
    for offset in reversed(children):
        builder.PrependUOffsetTRelative(offset)
    listed = builder.EndVector()
    builder.StartObject(6)
    builder.PrependInt32Slot(0, -5, 0)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.PrependUOffsetTRelativeSlot(2, values, 0)
    builder.PrependUOffsetTRelativeSlot(3, listed, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def test_reads_every_kind_of_field(content):
    """What the official builder wrote comes back; absent fields are empty."""
    root = read(content, LAYOUT, "Root")
    assert root["number"] == -5
    assert root["name"] == "hello"
    assert root["values"].tolist() == [1.5, -2.0]
    assert [item["size"] for item in root["children"]] == [7, 8]
    assert root["child"] is None
    assert root["absent"] == 0


def test_every_truncation_is_refused_or_reads_the_same(content):
    """A cut file never reads beyond its end and never gives other values."""
    whole = str(read(content, LAYOUT, "Root"))
    refused = 0
    for size in range(len(content)):
        try:
            assert str(read(content[:size], LAYOUT, "Root")) == whole  # cut padding
        except MalformedError:
            refused += 1
    assert refused > len(content) - 8


@pytest.mark.parametrize("value", [2**31, 2**32 - 1, 10_000])
def test_an_offset_out_of_the_file_is_refused(content, value):
    """The root offset leads nowhere."""
    with pytest.raises(MalformedError, match="at byte"):
        read(struct.pack("<I", value) + content[4:], LAYOUT, "Root")


def test_every_word_overwritten_is_refused_or_read():
    """No four bytes of a file can make the reader fail in another way."""
    builder = flatbuffers.Builder(64)
    name = builder.CreateString("hello")
    builder.StartObject(6)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.Finish(builder.EndObject())
    good = bytes(builder.Output())
    for word in (0, 1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        for at in range(len(good) - 3):
            broken = good[:at] + struct.pack("<I", word) + good[at + 4 :]
            with contextlib.suppress(MalformedError):
                read(broken, LAYOUT, "Root")


def test_a_vtable_of_odd_size_is_refused(content):
    """The vtable's own size must hold whole entries."""
    root = struct.unpack_from("<I", content)[0]
    vtable = root - struct.unpack_from("<i", content, root)[0]
    broken = bytearray(content)
    broken[vtable : vtable + 2] = struct.pack("<H", 5)
    with pytest.raises(MalformedError, match="the vtable of Root has 5 bytes"):
        read(bytes(broken), LAYOUT, "Root")


def test_a_field_outside_its_table_is_refused(content):
    """A vtable entry may not lead out of the table."""
    root = struct.unpack_from("<I", content)[0]
    vtable = root - struct.unpack_from("<i", content, root)[0]
    broken = bytearray(content)
    broken[vtable + 4 : vtable + 6] = struct.pack("<H", 4000)
    with pytest.raises(MalformedError, match=r"Root\.number lies outside its table"):
        read(bytes(broken), LAYOUT, "Root")


def test_too_many_tables_are_refused(content, monkeypatch):
    """Shared offsets cannot make a small file cost hours."""
    monkeypatch.setattr(flatbuffer, "MAX_TABLES", 2)
    with pytest.raises(MalformedError, match="more than 2 tables"):
        read(content, LAYOUT, "Root")


def test_too_long_lists_are_refused(content, monkeypatch):
    """A list of tables becomes Python objects: its length is limited."""
    monkeypatch.setattr(flatbuffer, "MAX_ITEMS", 1)
    with pytest.raises(MalformedError, match=r"Root\.children has 2 items"):
        read(content, LAYOUT, "Root")
