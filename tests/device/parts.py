"""Find the parts that the device suites need; each absence is a reason to skip."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import ai_edge_litert
import pytest

from android_bench.native import build_runner

LITERT = pathlib.Path(ai_edge_litert.__file__).parent
VERSION = importlib.metadata.version("ai-edge-litert")
SWIFTSHADER_FOLDERS = ("/usr/lib/chromium", "/usr/lib/chromium-browser")


def need(path: str | None, what: str, package: str) -> str:
    """Return the path, or skip the test and say which package has it."""
    if path is None:
        pytest.skip(f"{what} is not installed; `make test-device` installs {package}")
    return path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What the runner did: its JSON answer, exit code and last line on stderr."""

    code: int
    answer: Mapping[str, Any]
    line: str
    outputs: tuple[bytes, ...]

    @property
    def p50_ms(self) -> float:
        """The median."""
        samples = sorted(self.answer["samples_ms"])
        return float(samples[len(samples) // 2])


def run(
    command: Sequence[str | os.PathLike[str]],
    folder: pathlib.Path,
    *,
    inputs: Sequence[bytes] = (),
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> Run:
    """Start the runner (with what comes before it) and collect its answer."""
    outputs = folder / "outputs"
    outputs.mkdir(parents=True, exist_ok=True)
    for old in outputs.iterdir():
        old.unlink()
    arguments = [*map(os.fspath, command), "--json", str(folder / "answer.json")]
    arguments += ["--output-folder", str(outputs)]
    for number, content in enumerate(inputs):
        path = folder / f"input_{number}.bin"
        path.write_bytes(content)
        arguments += ["--input", str(path)]
    (folder / "answer.json").unlink(missing_ok=True)
    done = subprocess.run(
        arguments,
        capture_output=True,
        check=False,
        env={**os.environ, **(env or {})},
        timeout=timeout_s,
    )
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
    answer = folder / "answer.json"
    return Run(
        code=done.returncode,
        answer=json.loads(answer.read_text("utf-8")) if answer.exists() else {},
        line=lines[-1],
        outputs=tuple(path.read_bytes() for path in sorted(outputs.iterdir())),
    )


@functools.cache
def host_runner() -> pathlib.Path:
    """Return the runner for this computer, or skip."""
    need(shutil.which("cc") or shutil.which("gcc"), "a C compiler", "gcc")
    return build_runner()


def on_cpu(model: pathlib.Path, *options: str) -> list[str]:
    """Return the command that measures a file on this computer's CPU."""
    library = LITERT / "libLiteRt.so"
    return [
        str(host_runner()),
        "--library",
        str(library),
        "--model",
        str(model),
        *options,
    ]


def on_gpu(model: pathlib.Path, *options: str) -> list[str]:
    """Return the command that measures a file on the GPU accelerator."""
    accelerator = LITERT / "libLiteRtWebGpuAccelerator.so"
    if not accelerator.exists():
        pytest.skip(f"ai-edge-litert {VERSION} has no WebGPU accelerator")
    return on_cpu(
        model, "--delegate", "gpu", "--accelerator", str(accelerator), *options
    )


def software_vulkan(folder: pathlib.Path) -> dict[str, str]:
    """Return the environment that makes Vulkan run on SwiftShader, or skip."""
    found = [
        f for f in SWIFTSHADER_FOLDERS if os.path.exists(f"{f}/vk_swiftshader_icd.json")
    ]
    base = need(found[0] if found else None, "SwiftShader", "chromium-common")
    return {
        "VK_ICD_FILENAMES": f"{base}/vk_swiftshader_icd.json",
        "LD_LIBRARY_PATH": base,  # Vulkan's loader
        "XDG_RUNTIME_DIR": str(folder),
    }
