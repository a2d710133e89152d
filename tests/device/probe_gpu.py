"""Try every operator on LiteRT's real GPU accelerator, on a software Vulkan driver.

``python -m tests.device.probe_gpu gpu_probe.json`` runs each file of `op_models.zip` on
the accelerator and on the CPU, and writes what the accelerator took and how far its
outputs are from the CPU's. The table of `tfcompress.tflite.gpu_compatibility` is
compared with that file in every test run, and with the accelerator itself in the device
suite.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import pathlib
import sys
import tempfile
import zipfile
from typing import Any

import numpy as np

from tests.device import parts

HERE = pathlib.Path(__file__).parent
MODELS = HERE / "op_models.zip"
RESULT = HERE / "gpu_probe.json"
ONCE = ("--warmup", "0", "--min-runs", "1", "--max-seconds", "0.001")


@functools.cache
def models() -> dict[str, bytes]:
    """Return the files by name."""
    with zipfile.ZipFile(MODELS) as archive:
        return {n.removesuffix(".tflite"): archive.read(n) for n in archive.namelist()}


@functools.cache
def recorded() -> dict[str, Any]:
    """Return the committed result."""
    found: dict[str, Any] = json.loads(RESULT.read_text("utf-8"))
    return found


def probe(content: bytes, folder: pathlib.Path) -> dict[str, Any]:
    """Run one file on both and compare.

    Returns:
        `taken` and `total` operators, `refused` lines, `error` of a run that failed,
        and `difference`: the largest over the outputs, relative to their range.
    """
    path = folder / "model.tflite"
    path.write_bytes(content)
    gpu = parts.run(
        parts.on_gpu(path, *ONCE), folder / "gpu", env=parts.software_vulkan(folder)
    )
    cpu = parts.run(parts.on_cpu(path, *ONCE), folder / "cpu")
    return {
        "taken": gpu.answer.get("delegated_ops", 0),
        "total": gpu.answer.get("total_ops", 0),
        "refused": gpu.answer.get("refused_ops", []),
        "error": gpu.answer.get("error") if gpu.answer else gpu.line,
        "cpu_error": cpu.answer.get("error") if cpu.answer else cpu.line,
        "difference": _difference(gpu, cpu),
    }


def _difference(gpu: parts.Run, cpu: parts.Run) -> float | None:
    if gpu.code or cpu.code:
        return None
    worst = 0.0
    for described, left, right in zip(
        gpu.answer["outputs"], gpu.outputs, cpu.outputs, strict=True
    ):
        dtype = np.dtype(described["type"])
        a, b = (np.frombuffer(c, dtype).astype(np.float64) for c in (left, right))
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return float("inf")
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        scale = max(1e-6, float(np.abs(b).max(initial=0.0)))
        worst = max(worst, float(np.abs(a - b).max(initial=0.0)) / scale)
    return round(worst, 7)


def main(path: str) -> None:
    """Probe all and write the result."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in models().items():
            found[name] = probe(content, pathlib.Path(folder))
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)  # noqa: T201
    record = {
        "delegate": "ML Drift (WebGPU)",
        "ai_edge_litert": parts.VERSION,
        "driver": "SwiftShader (software Vulkan)",
        "precision": "fp32",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "models": found,
    }
    pathlib.Path(path).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
