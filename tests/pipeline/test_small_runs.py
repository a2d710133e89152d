"""Tests of real runs: every stage with its method, killed in trainings, reported."""

from __future__ import annotations

import json
import multiprocessing
import signal

import keras
import pytest

from tests.pipeline import small_runs
from tfcompress.pipeline import run_workflow

STAGES = ("original", "slim", "distill", "convert", "verify", "benchmark")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the directory of a run that nobody disturbed."""
    directory = tmp_path_factory.mktemp("runs") / "whole"
    run_workflow(small_runs.workflow(), directory, command="tfcompress run w.toml")
    return directory


def record(directory, stage):
    return json.loads((directory / f"{stage}.json").read_text())


def test_every_stage_is_recorded(whole):
    for stage in STAGES:
        found = record(whole, stage)
        assert found["status"] == "done"
        assert found["stage"] == stage
        assert found["passed"]
    for name in ("report.json", "report.md", "report.html"):
        assert (whole / name).stat().st_size > 1000


def test_the_model_is_smaller_and_plain(whole):
    original, small = record(whole, "original"), record(whole, "distill")

    assert small["model"]["cost"]["macs"] <= 0.6 * original["model"]["cost"]["macs"]
    model = keras.saving.load_model(whole / "distill.keras")
    kept = {row["group"]: row["after"] for row in record(whole, "slim")["channels"]}
    assert model.get_layer("conv0").filters == kept["conv0"]


def test_the_test_part_is_used_for_the_first_and_the_last_model_only(whole):
    tested = [s for s in STAGES if record(whole, s)["evaluation"]["test"]]

    assert tested == ["original", "distill"]
    for stage in ("original", "slim", "distill", "convert"):
        validation = record(whole, stage)["evaluation"]["validation"]
        assert validation["num_examples"] == 12


def test_the_file_is_verified_and_measured_beside_the_original(whole):
    parity = record(whole, "verify")["details"]["parity"]
    assert parity["num_examples"] == 60

    (after,) = record(whole, "benchmark")["details"]["benchmark"]
    (before,) = record(whole, "original")["details"]["benchmark"]
    assert before["where"] == after["where"] == "host"
    assert record(whole, "original")["details"]["float32"]["size_bytes"] > 0


def test_the_report_has_before_and_after(whole):
    report = json.loads((whole / "report.json").read_text())

    rows = {row["key"]: row for row in report["summary"]}
    for key in ("score", "macs", "params", "file_bytes", "gzip_bytes", "latency_ms"):
        assert rows[key]["before"] is not None, key
        assert rows[key]["after"] is not None, key
    assert report["command"] == "tfcompress run w.toml"
    assert report["missing"] == []


def test_a_run_killed_in_its_trainings_ends_with_the_same_models(whole, tmp_path):
    """SIGKILL in the original's, slim's and distill's training; then it goes on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfcompress.pipeline"])
    directory = tmp_path / "killed"

    def run(stage, epoch=0):
        arguments = (directory, stage, epoch)
        process = context.Process(target=small_runs.run_and_die, args=arguments)
        process.start()
        process.join()
        return process.exitcode

    assert run("original", 2) == -signal.SIGKILL
    assert run("slim", 1) == -signal.SIGKILL
    assert run("distill", 1) == -signal.SIGKILL
    assert run("") == 0

    log = (directory / "original.log").read_text()
    assert "going on after epoch 2" in log
    assert "epoch 3/3: " in log
    for stage in ("original", "slim", "distill", "convert"):
        before, after = record(whole, stage), record(directory, stage)
        assert after["evaluation"] == before["evaluation"], stage
        assert after["fingerprints"] == before["fingerprints"], stage
        assert after["history"] == before["history"], stage


def test_a_broken_limit_is_a_failed_check_and_only_verify_runs_again(whole):
    changed = small_runs.workflow(verify={"min_agreement": 1.0, "max_drop": 0.0})
    times = {s: (whole / f"{s}.json").stat().st_mtime_ns for s in STAGES}

    result = run_workflow(changed, whole)

    again = [s for s in STAGES if (whole / f"{s}.json").stat().st_mtime_ns != times[s]]
    assert again == ["verify"]
    parity = record(whole, "verify")["details"]["parity"]
    assert result.passed == parity["passed"]
