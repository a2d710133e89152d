"""Measuring on the GPU accelerator of a software driver, from the command line."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.device import parts
from tfcompress.cli import main

pytestmark = pytest.mark.device

NATIVE = pathlib.Path(__file__).parents[1] / "android_bench" / "native"


def test_a_gpu_figure_that_counts_and_says_where(tmp_path, monkeypatch):
    """The graph is taken whole, outputs agree, and no place is called a device."""
    for name, value in parts.software_vulkan(tmp_path).items():
        monkeypatch.setenv(name, value)
    parts.host_runner()
    output = tmp_path / "gpu.json"
    words = ["--device", "host", "--delegate", "cpu,gpu", "--rounds", "2"]
    words += ["--max-seconds", "0.2", "-o", str(output)]
    files = [str(NATIVE / f"digits_{kind}.tflite") for kind in ("float", "int8")]
    assert main.run(["benchmark", *files, *words]) == 0
    runs = json.loads(output.read_text())["benchmark"]
    gpu = [run for run in runs if run["conditions"]["delegate"] == "gpu"]
    assert [run["where"] for run in gpu] == ["software_gpu"] * 2
    for run in gpu:
        assert run["delegation"]["applied"] == "full"
        assert run["delegation"]["delegated_ops"] == run["delegation"]["total_ops"] > 0
        assert run["agreement"]["error"] <= 0.02
        assert run["not_counted"] == []
        assert "SwiftShader" in run["device"]["gpu"]
    assert {run["where"] for run in runs if run not in gpu} == {"host"}
