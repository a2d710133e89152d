"""The test device's answers to requests that the installed adb does not make.

Newer clients use the second version of SEND and RECV; older ones STAT alone.
"""

from __future__ import annotations

import socket
import stat
import struct

import pytest

from tests.fakes.adb_faults import Faults
from tests.fakes.adb_packets import HEADER, VERSION, Message
from tests.fakes.adbd import FakeDevice


class NoServer:
    """Takes the place of an adb server: this test speaks to the device itself."""

    port = 0

    def adb(self, *_):
        return ""

    def wait_for(self, *_):
        return None


class Client:
    """A minimal host side, one stream at a time."""

    def __init__(self, device):
        port = int(device.serial.rpartition(":")[2])
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.arrived = b""
        self.send(Message("CNXN", VERSION, 4096, b"host::"))

    def send(self, message):
        self.socket.sendall(message.encode())

    def exactly(self, size):
        data = b""
        while len(data) < size:
            chunk = self.socket.recv(size - len(data))
            if not chunk:
                raise ConnectionError("closed")
            data += chunk
        return data

    def receive(self):
        word, arg0, arg1, size, _, _ = HEADER.unpack(self.exactly(24))
        command = word.to_bytes(4, "little").decode()
        return Message(command, arg0, arg1, self.exactly(size))

    def open(self, service):
        self.send(Message("OPEN", 7, 0, service.encode() + b"\0"))
        self.remote = self.receive().arg0

    def write(self, data):
        self.send(Message("WRTE", 7, self.remote, data))
        while self.receive_one().command != "OKAY":
            pass

    def receive_one(self):
        message = self.receive()
        if message.command == "WRTE":
            self.arrived += message.payload
            self.send(Message("OKAY", 7, self.remote))
        return message

    def read(self, size):
        while len(self.arrived) < size:
            self.receive_one()
        data, self.arrived = self.arrived[:size], self.arrived[size:]
        return data


def request(verb, text):
    return verb.encode() + struct.pack("<I", len(text)) + text.encode()


@pytest.fixture
def device(tmp_path):
    with FakeDevice(tmp_path, server=NoServer()) as device:
        yield device


@pytest.fixture
def client(device):
    client = Client(device)
    banner = client.receive()
    assert banner.command == "CNXN"
    assert b"shell_v2" in banner.payload
    yield client
    client.socket.close()


def test_the_second_send_and_receive(device, client):
    path = "/data/local/tmp/a/file"
    client.open("sync:")
    client.write(request("SND2", path) + struct.pack("<4sII", b"SND2", 0o100640, 0))
    data = b"DATA" + struct.pack("<I", 3) + b"abc"
    client.write(data + b"DONE" + struct.pack("<I", 1_000_000_000))
    assert client.read(8) == b"OKAY" + bytes(4)
    stored = device.storage / "a" / "file"
    assert stored.read_bytes() == b"abc"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o640
    assert stored.stat().st_mtime == 1_000_000_000

    client.write(request("RCV2", path) + struct.pack("<4sI", b"RCV2", 0))
    assert client.read(19) == data + b"DONE" + bytes(4)


def test_stat_in_both_versions(device, client):
    (device.storage / "file").write_bytes(b"12345")
    client.open("sync:")

    client.write(request("STAT", "/data/local/tmp/file"))
    assert struct.unpack("<4sIII", client.read(16))[2] == 5
    client.write(request("STAT", "/data/local/tmp/none"))
    assert client.read(16) == b"STAT" + bytes(12)
    client.write(request("LST2", "/data/local/tmp/file"))
    assert struct.unpack("<4sIQQIIIIQqqq", client.read(72))[8] == 5
    client.write(request("STA2", "/data/local/tmp/none"))
    assert struct.unpack("<4sI", client.read(72)[:8]) == (b"STA2", 2)


def test_a_list(device, client):
    (device.storage / "file").write_bytes(b"12345")
    client.open("sync:")

    client.write(request("LIST", "/data/local/tmp"))

    kind, _, size, _, length = struct.unpack("<4sIIII", client.read(20))
    assert (kind, size, client.read(length)) == (b"DENT", 5, b"file")
    assert client.read(20) == b"DONE" + bytes(16)


@pytest.mark.parametrize("what", ["missing", "a directory"])
def test_what_cannot_be_received(what, device, client):
    (device.storage / "a directory").mkdir()
    client.open("sync:")

    client.write(request("RECV", f"/data/local/tmp/{what}"))

    assert client.read(4) == b"FAIL"


def test_a_plain_exec(client):
    """Its bytes are the program's."""
    client.open("exec:printf 'a\\0b'")

    assert client.read(3) == b"a\0b"


def test_an_unknown_service_is_closed(client):
    client.send(Message("OPEN", 7, 0, b"reboot:\0"))

    assert client.receive().command == "CLSE"


def test_what_is_not_adb_ends_the_connection(client):
    client.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    with pytest.raises(ConnectionError):
        client.exactly(1)


def test_an_unauthorised_host_is_asked_for_its_key(tmp_path):
    faults = Faults(unauthorised=True)
    with FakeDevice(tmp_path, faults=faults, server=NoServer()) as device:
        client = Client(device)
        assert client.receive().command == "AUTH"
        client.send(Message("AUTH", 2, 0, b"signature"))
        assert client.receive().command == "AUTH"
        client.socket.close()


def test_only_this_computer_can_connect(device):
    host, _ = device._listener.sockets[0].getsockname()

    assert host == "127.0.0.1"
