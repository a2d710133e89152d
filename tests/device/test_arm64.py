"""The phone's kernels, emulated: outputs of the arm64 library against this computer's.

Needs the aarch64 wheel of ai-edge-litert, qemu and a cross compiler. Numbers are right;
times mean nothing, so every record of these runs says ``emulated``.
"""

import os
import pathlib
import shutil
import zipfile

import numpy as np
import pytest

from android_bench.backends import NativeBackend
from android_bench.native import build_runner
from tests.device import parts
from tests.device.measuring import FLOAT, INT8, measured, session

pytestmark = pytest.mark.device
QUICK = ("--warmup", "1", "--min-runs", "3", "--max-seconds", "0.01")
WHEEL_FOLDER = "TFCOMPRESS_ARM64_WHEELS"  # `make test-device` downloads into it
SYSROOT = "/usr/aarch64-linux-gnu"
# Features that the library's kernels look for; qemu shows the host's file otherwise.
CPUINFO = """processor	: 0
BogoMIPS	: 200.00
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x4
CPU part	: 0xd0b
CPU revision	: 1

"""  # noqa: E501


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """Return the emulator's command, the runner and the library, or skip."""
    qemu = parts.need(
        shutil.which("qemu-aarch64-static"), "qemu-aarch64-static", "qemu-user-static"
    )
    parts.need(
        shutil.which("aarch64-linux-gnu-gcc"),
        "aarch64-linux-gnu-gcc",
        "gcc-aarch64-linux-gnu",
    )
    folder = os.environ.get(WHEEL_FOLDER, "")
    found = sorted(pathlib.Path(folder).glob("ai_edge_litert-*aarch64.whl"))
    if not folder or not found:
        pytest.skip(
            f"{WHEEL_FOLDER} names no folder with an aarch64 wheel of ai-edge-litert; "
            "`make test-device` downloads one"
        )
    root = tmp_path_factory.mktemp("arm64")
    with zipfile.ZipFile(found[-1]) as archive:
        archive.extract("ai_edge_litert/libLiteRt.so", root)
    (root / "lib").symlink_to(f"{SYSROOT}/lib")
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(CPUINFO, "utf-8")
    command = [qemu, "-cpu", "cortex-a76", "-L", str(root)]
    library = root / "ai_edge_litert" / "libLiteRt.so"
    return command, build_runner("linux-arm64"), library


def outputs(emulated, model, folder, image):
    """Return the emulated and this computer's output for an image."""
    command, runner, library = emulated
    made = []
    arm = [*command, runner, "--library", library, "--model", model, *QUICK]
    for name, started in (("arm", arm), ("host", parts.on_cpu(model, *QUICK))):
        place = folder / name
        place.mkdir(exist_ok=True)
        run = parts.run(started, place, inputs=[image.tobytes()])
        assert run.code == 0, run.line
        made.append(np.frombuffer(run.outputs[0], run.answer["outputs"][0]["type"]))
    return made


def images(count=5):
    """Return images of rising contrast, whose classes differ."""
    noise = np.random.default_rng(5).random((count, 28, 28, 1), dtype=np.float32)
    return noise * np.linspace(0.1, 1, count, dtype=np.float32).reshape(-1, 1, 1, 1)


def test_int8_is_equal_in_every_bit(emulated, tmp_path):
    """Integer kernels of both processors give the same numbers."""
    seen = set()
    for image in images():
        arm, host = outputs(emulated, INT8, tmp_path, image)
        np.testing.assert_array_equal(arm, host)
        seen.add(host.tobytes())
    assert len(seen) > 1


def test_float_is_equal_within_rounding(emulated, tmp_path):
    """Within 1e-5, for outputs that differ by far more between images."""
    rows = []
    for image in images():
        arm, host = outputs(emulated, FLOAT, tmp_path, image)
        np.testing.assert_allclose(arm, host, rtol=0, atol=1e-5)
        rows.append(host)
    assert np.ptp(np.stack(rows), axis=0).max() > 0.05


def test_its_record_says_emulated(emulated, tmp_path):
    """A session on it makes records that no report can take for a device's."""
    command, runner, library = emulated
    start = tmp_path / "start"
    start.write_text(f'#!/bin/sh\nexec {" ".join(command)} {runner} "$@"\n', "utf-8")
    backend = NativeBackend(runner=start, library=library, version=parts.VERSION)
    (record,) = session(tmp_path / "target", backend, place="emulated").records
    assert record.where == "emulated"
    assert record.label == "emulated latency"
    assert "device latency" not in record.summary()
    measured(record)
