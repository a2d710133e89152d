"""The transport against Android's own adbd, built from its sources.

`tests/device/build_adbd.sh` builds it; TFCOMPRESS_ADBD_FOLDER says where it is, if not
in the user's cache.  It runs in namespaces of its own, without any network.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.fakes.adb_server import ABSENT, ADB

ROOT = pathlib.Path(__file__).parents[2]
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
FOLDER = os.environ.get("TFCOMPRESS_ADBD_FOLDER") or f"{CACHE}/tfcompress/adbd"
ADBD = pathlib.Path(FOLDER, "adbd")
UNSHARE = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]

pytestmark = pytest.mark.device


def _reason() -> str:
    """Return why this cannot run here, empty if it can."""
    if ADB is None:
        return ABSENT
    if not ADBD.exists():
        return f"no adbd at {ADBD}: build it with tests/device/build_adbd.sh"
    if shutil.which("unshare") is None:
        return "unshare is not installed (apt install util-linux)"
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        return "unshare may not make namespaces here: it needs root"
    return ""


@pytest.fixture
def in_namespace(tmp_path):
    """Return a function that runs tests against adbd and returns what pytest said."""
    reason = _reason()
    if reason:
        pytest.skip(reason)

    def run(*tests: str) -> str:
        command = [sys.executable, "-m", "tests.device.in_namespace", str(ADBD)]
        done = subprocess.run(
            [*UNSHARE, *command, str(tmp_path), *tests],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    return run


def test_what_every_transport_does(in_namespace):
    """The same tests that run on this computer and on our test device."""
    said = in_namespace(
        "tests/android_bench/transport/test_every_transport.py", "-k", "[adb"
    )

    passed = int(re.search(r"(\d+) passed", said)[1])
    assert passed >= 40
    assert "skipped" not in said


def test_what_only_adbd_shows(in_namespace):
    """Its way of ending a shell leaves children; ours does not."""
    said = in_namespace("tests/device/test_on_adbd.py", "-m", "device")

    assert "2 passed" in said
