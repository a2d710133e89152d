"""The app's own code, driven by the real adb client on a test device.

The device's `am`, `pm` and `logcat` are programs of the test; `am start` runs the app's
Kotlin on this computer's Java, against the stubs of Android and LiteRT.
"""

import os
import time

import psutil
import pytest

from android_bench.app_install import PACKAGE
from android_bench.backends import AppBackend, RunRequest
from android_bench.errors import RunnerError
from android_bench.transport import AdbTransport
from tests.android_bench import java, kotlin
from tests.fakes.adb_server import ABSENT, ADB
from tests.fakes.adbd import FakeDevice

pytestmark = [
    java.needs_javac,
    kotlin.needs_kotlin,
    pytest.mark.skipif(ADB is None, reason=ABSENT),
]
MODEL = java.RESOURCES / "model.tflite"
AM = """\
#!/bin/sh
if [ "$1" = force-stop ]; then
  [ -e {work}/pid ] && kill -9 $(cat {work}/pid) 2> /dev/null
  rm -f {work}/pid
  exit 0
fi
shift 6  # start -S -W -n COMPONENT, and the first --es
set -- "$@" --es
words=
while [ $# -gt 0 ]; do words="$words $1 $2"; shift 3; done
PATH={bin}:$PATH nohup {java} -Dstub.log={work}/log -cp {classes} \\
  org.tfcompress.benchmark.MainKt benchmark {storage} $words {more} \\
  > {work}/said 2>&1 < /dev/null &
echo $! > {work}/pid
echo 'Status: ok'
"""
PIDOF = """\
#!/bin/sh
kill -0 $(cat {work}/pid 2> /dev/null || echo none) 2> /dev/null
"""
PM = "#!/bin/sh\necho package:{work}/base.apk\n"
LOGCAT = (
    "#!/bin/sh\n[ -e {work}/$3-log ] && exec cat {work}/$3-log\nexec cat {work}/log\n"
)
DONE = "#!/bin/sh\nexit 0\n"


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    return kotlin.compiled(tmp_path_factory.getbasetemp())


@pytest.fixture
def phone(classes, tmp_path):
    """Return a function that connects a device; `more` are words for the stubs."""
    work, storage = tmp_path / "work", tmp_path / "device" / "tmp" / "files"
    for folder in (work, storage):
        folder.mkdir(parents=True)
    (work / "log").touch()
    (work / "base.apk").write_bytes(b"the app")
    path = java.class_path(*classes, kotlin.runtime())
    devices = []

    def connect(more=""):
        words = {"work": work, "storage": storage, "classes": path, "more": more}
        words |= {"bin": tmp_path / "device" / "bin", "java": java.program("java")}
        tools = {"am": AM, "pidof": PIDOF, "pm": PM, "logcat": LOGCAT}
        tools = {name: text.format(**words) for name, text in tools.items()}
        tools |= {"input": DONE, "wm": DONE}
        device = FakeDevice(tmp_path / "device", tools=tools).__enter__()
        devices.append(device)
        return AdbTransport(device.serial, server_port=device.server_port)

    connect.work, connect.storage = work, storage
    yield connect
    for device in devices:
        device.__exit__(None, None, None)


def request(**changes):
    settings = {"model": MODEL, "min_runs": 3, "max_seconds": 0.6, "fp16": True}
    return RunRequest(**{**settings, **changes})


def app():
    return AppBackend(storage="/data/local/tmp/files")


def test_a_model_is_measured_through_adb(phone):
    """Pushed, started, waited for, pulled; nothing stays on the device."""
    transport = phone()
    answer = app().measure(transport, request(delegate="gpu", write_outputs=True))
    assert answer.parsed.num_runs >= 3
    assert answer.parsed.p50_ms >= 1
    assert answer.parsed.taken.applied == "full"
    assert answer.parsed.version == "LiteRT 2.3.0"
    assert len(answer.outputs["output_0.bin"]) == 10
    assert answer.notes == ()
    assert list(phone.storage.iterdir()) == []
    assert not (phone.work / "pid").exists()


def test_an_app_that_hangs_is_stopped(phone, monkeypatch):
    """After the time that the request allows, with one line and no process left."""
    monkeypatch.setattr("android_bench.backends.base.GRACE_S", 1.0)
    transport = phone(more="stub.hangs 1")
    with pytest.raises(RunnerError, match=r"model\.tflite on the gpu: no record after"):
        app().measure(transport, request(delegate="gpu", max_seconds=0.5))
    assert _left(phone) == []


def test_native_code_that_crashes_is_named(phone):
    """The app dies without a word; Android's crash log has the reason."""
    (phone.work / "crash-log").write_text(
        f"pid: 1, name: benchmark  >>> {PACKAGE} <<<\nsignal 11 (SIGSEGV), code 1\n"
    )
    transport = phone(more="stub.crashes 1")
    with pytest.raises(RunnerError, match=r"has ended \(signal 11 \(SIGSEGV\)"):
        app().measure(transport, request())
    assert _left(phone) == []


def _left(phone):
    """Return the app's processes a moment later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if f"-Dstub.log={phone.work}/log" in (process.info["cmdline"] or [])
        ]
        if not found:
            return []
        time.sleep(0.2)
    return [os.getpid(), *found]
