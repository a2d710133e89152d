"""Tests of ``tfcompress latency --device``: the real adb client, our C runner.

The test device computes on this machine and says that it is emulated.
"""

from __future__ import annotations

import keras
import pytest

from android_bench import choosing
from android_bench.transport import AdbDevice
from tests.fakes.adbd import FakeDevice
from tests.fakes.leftovers import wait_until_gone
from tfcompress import graph, latency
from tfcompress.latency import points

layers = keras.layers


@pytest.fixture(autouse=True)
def own_server(request, monkeypatch):
    """Let the command talk to this test's server, where the test has one."""
    if "adb_server" in request.fixturenames:
        server = request.getfixturevalue("adb_server")
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.port))


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    """Return a network of 7 operators to measure: 2 + 2 + 1 + 1 + 1."""
    x = image = keras.Input((6, 6, 3), name="image")
    x = layers.Conv2D(16, 3, activation="relu", name="stem")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="point")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="head")(x))
    path = tmp_path_factory.mktemp("models") / "tiny.keras"
    model.save(path)
    return path


@pytest.fixture
def words(tiny_file, parts, tmp_path):
    """Return a function of a serial number that gives a command's words."""

    def command(serial):
        named = ("--device", serial, *parts, "--num-networks", 1)
        return ("latency", tiny_file, *named, "-o", tmp_path / "table")

    return command


@pytest.fixture
def loaded(tmp_path):
    """Return a function that reads the table."""
    return lambda: latency.Table.load(tmp_path / "table" / "table.json")


def spoken(answer):
    """Return what was said, but that this machine is busy."""
    lines = answer.err.splitlines()
    return [line for line in lines if not line.startswith("WARNING: ")]


def test_a_table_of_a_device_predicts(
    tfcompress, words, loaded, adb_server, tmp_path, tiny_file
):
    """Pushed, run and pulled; what is left on the device are runner and library."""
    with FakeDevice(tmp_path / "device", server=adb_server) as device:
        answer = tfcompress(*words(device.serial), "--json")
        left = {path.suffix for path in device.storage.rglob("*")}

    assert answer.code == 0, answer.err
    table = loaded()
    assert answer.record["operators"] == table.num_points == 7
    assert answer.record["where"] == table.conditions.where == "emulated"
    assert table.conditions.target == device.serial
    assert table.conditions.device == "Test Device, Nobody T1000"
    assert table.conditions.runtime.startswith("native")
    assert sorted(table.points["conv 6x6 3x3 /1x1 valid"]) == [(3, 8), (3, 16)]
    assert ".tflite" not in left
    layer_graph = graph.trace(keras.saving.load_model(tiny_file))
    whole = latency.predict(layer_graph, None, table)
    assert whole == pytest.approx(answer.record["predicted_ms"])
    assert 0 < whole < 1000


@pytest.mark.parametrize("moment", ["before a push", "in a push"])
def test_a_device_that_goes_away_and_comes_back(
    tfcompress, words, loaded, adb_server, tmp_path, monkeypatch, moment
):
    """One line; the same command measures what is missing and nothing else."""
    monkeypatch.setattr(points, "BATCH", 4)

    def lose(*_):
        if moment == "in a push":
            device.faults.vanish_in_push = 100
        else:
            device.vanish()

    with (
        FakeDevice(tmp_path / "device", server=adb_server) as device,
        monkeypatch.context() as patch,
    ):
        patch.setattr("tfcompress.cli.latency._report", lose)  # after 4 operators
        lost = tfcompress(*words(device.serial))
    assert lost.code == 1
    assert lost.out == ""
    (line,) = spoken(lost)
    assert line.startswith("Error: ")
    assert "went away" in line
    known = loaded()
    assert known.num_points == 4
    assert not wait_until_gone(str(tmp_path / "device"))

    port = int(device.serial.rpartition(":")[2])
    with FakeDevice(tmp_path / "again", server=adb_server, port=port) as back:
        assert back.serial == device.serial
        again = tfcompress(*words(back.serial))
    assert again.code == 0, again.err
    assert "an emulated device (not a phone)" in again.out
    assert spoken(again)[0] == "operators: 7 of 7"
    table = loaded()
    assert table.num_points == 7
    for key, times in known.points.items():
        assert times.items() <= table.points[key].items()


@pytest.mark.parametrize("serial", ["auto", "all"])
def test_a_table_is_of_one_device(refused, tiny_file, tmp_path, serial):
    line = refused("latency", tiny_file, "--device", serial, "-o", tmp_path)
    assert f"Received: --device {serial}; expected a serial number" in line


def test_no_such_device_is_exit_code_4(refused, tiny_file, tmp_path, monkeypatch):
    others = [AdbDevice(serial="B2", state="device", model="")]
    monkeypatch.setattr(choosing, "list_devices", lambda **_: others)
    words = ("latency", tiny_file, "--device", "A1", "-o", tmp_path)
    line = refused(*words, code=4)
    assert "Received: --device A1, attached: B2 (device)" in line


@pytest.fixture
def search(tiny_file, parts, tmp_path):
    """Return the words of a search under the milliseconds of a device's table."""
    few = ("--episodes", 4, "--warmup-episodes", 4, "--evaluation-examples", 10)
    limit = ("--milliseconds", 1e3, "--round-to", 4)
    where = ("--data", "tests.cli.data_sets:tiny", "-o", tmp_path / "plan.json")
    table = ("--latency-table", tmp_path / "table" / "table.json")
    return ("amc", tiny_file, *where, *table, *limit, *few, *parts, "--json")


def test_the_best_plans_of_a_search_are_measured_on_the_device(
    tfcompress, words, search, adb_server, tmp_path
):
    """On the one that the table is of; without it the search stands all the same."""
    with FakeDevice(tmp_path / "device", server=adb_server) as device:
        assert tfcompress(*words(device.serial)).code == 0
        answer = tfcompress(*search)

    assert answer.code == 0, answer.err
    timed = answer.record["details"]["search"]["latency"]
    assert timed["target"] == device.serial
    assert timed["where"] == "emulated"
    assert timed["not_measured"] is None
    assert timed["plans"]
    assert all(plan["measured_ms"] > 0 for plan in timed["plans"])

    answer = tfcompress(*search, "--force")
    assert answer.code == 0, answer.err
    timed = answer.record["details"]["search"]["latency"]
    assert "There is no such device" in timed["not_measured"]
    assert timed["plans"]
    assert {plan["measured_ms"] for plan in timed["plans"]} == {None}
    assert all(plan["predicted_ms"] > 0 for plan in timed["plans"])
