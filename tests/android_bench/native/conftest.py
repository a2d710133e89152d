"""The runner, the files it measures, and a way to start it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import ai_edge_litert
import pytest

from android_bench.native import build_runner

HERE = pathlib.Path(__file__).parent
LIBRARY = pathlib.Path(ai_edge_litert.__file__).parent / "libLiteRt.so"
VERSION = importlib.metadata.version("ai-edge-litert")
FLOAT = HERE / "digits_float.tflite"
INT8 = HERE / "digits_int8.tflite"
QUICK = ("--warmup", "1", "--min-runs", "3", "--max-seconds", "0.01")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Done:
    """What the runner did."""

    code: int
    line: str
    answer: Mapping[str, Any] | None


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    """Compile the runner once, into a cache of the test's own."""
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        pytest.skip("no C compiler; install gcc")
    return build_runner(cache=tmp_path_factory.mktemp("runners"))


@pytest.fixture
def start(runner, tmp_path):
    """Return a function that runs the runner; None leaves an option out."""

    def run(model=FLOAT, *options, library=LIBRARY, quick=True, timeout=120):
        answer = tmp_path / "answer.json"
        command = [runner, "--library", library, "--model", model, "--json", answer]
        command += [*(QUICK if quick else ()), *options]
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
        read = json.loads(answer.read_text("utf-8")) if answer.exists() else None
        return Done(code=done.returncode, line=lines[-1], answer=read)

    return run
