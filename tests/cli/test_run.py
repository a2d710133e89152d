"""Tests of ``tfcompress run``, ``demo`` and ``report``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.pipeline import fakes, small_runs
from tests.report import runs as report_runs
from tfcompress import files, pipeline


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    """Return the path of a workflow of fake stages."""
    fakes.install(monkeypatch)
    fakes.make_model(tmp_path / "net.keras")
    path = tmp_path / "w.toml"
    path.write_text(
        '[model]\npath = "net.keras"\n'
        '[[stage]]\nkind = "add"\n'
        '[[stage]]\nkind = "write"\n'
        '[[stage]]\nkind = "check"\nlimit = 100.0\n'
    )
    return path


def test_a_run_is_shown_and_recorded(tfcompress, workflow, tmp_path):
    answer = tfcompress("run", workflow, "-o", tmp_path / "run")

    assert answer.code == 0, answer.err
    assert "2/4 add" in answer.err
    assert "original" in answer.out
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    assert content["command"] == f"tfcompress run {workflow} -o {tmp_path / 'run'}"


def test_the_same_command_again_has_nothing_to_do(tfcompress, workflow, tmp_path):
    tfcompress("run", workflow, "-o", tmp_path / "run")
    fakes.RAN.clear()

    answer = tfcompress("run", workflow, "-o", tmp_path / "run", "--json")

    assert fakes.RAN == []
    assert "as before" in answer.err
    names = [record["name"] for record in answer.record["stages"]]
    assert names == ["original", "add", "write", "check"]


def test_a_failed_check_is_3_and_one_line(tfcompress, workflow, tmp_path):
    workflow.write_text(workflow.read_text().replace("100.0", "1.0"))

    answer = tfcompress("run", workflow, "-o", tmp_path / "run", "--json")

    assert answer.code == 3
    assert answer.err.splitlines()[-1] == ("Check failed: check: 12.0 is above 1.0.")
    assert not answer.record["passed"]


def test_an_unknown_key_suggests_the_nearest(refused, workflow, tmp_path):
    workflow.write_text(workflow.read_text().replace("limit", "limt"))

    assert "Did you mean 'limit'?" in refused("run", workflow, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_workflow(refused, tmp_path):
    path = tmp_path / "none.toml"

    assert "none.toml" in refused("run", path, "-o", tmp_path / "run")


def test_a_run_directory_in_use(refused, workflow, tmp_path):
    with files.lock(tmp_path / "run"):
        message = refused("run", workflow, "-o", tmp_path / "run")

    assert "Another process" in message


def test_an_output_in_the_making_is_locked(refused, model_file, tmp_path):
    with files.lock(tmp_path / ".state" / "s.lock"):
        message = refused(
            "prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.6"
        )

    assert "Another process" in message


@pytest.fixture
def finished(tmp_path):
    """Return a copy of a finished run's records."""
    return shutil.copytree(report_runs.FASHION, tmp_path / "run")


def test_a_report_is_written_beside_the_records(tfcompress, finished):
    answer = tfcompress("report", finished)

    assert answer.code == 0, answer.err
    for name in ("report.json", "report.md", "report.html"):
        assert str(finished / name) in answer.out
        assert (finished / name).exists()


def test_a_report_elsewhere_overwrites_nothing(tfcompress, refused, finished, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "report.html").write_text("mine")

    assert "--force" in refused("report", finished, "-o", page)
    assert (page / "report.html").read_text() == "mine"
    answer = tfcompress("report", finished, "-o", page, "--force", "--json")
    assert answer.record["schema"] == 1
    assert (page / "report.html").read_text() != "mine"


def test_a_report_of_nothing(refused, tmp_path):
    assert "no such run directory" in refused("report", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "no finished stage" in refused("report", tmp_path / "empty")


def test_a_report_needs_no_tensorflow(finished):
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from tfcompress.cli.main import run\n"
        f"sys.exit(run(['report', {str(finished)!r}]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )

    assert result.returncode == 0, result.stderr


def test_the_demo_runs_its_workflow(tfcompress, workflow, tmp_path, monkeypatch):
    found = pipeline.read_workflow(workflow)
    seeds = []
    monkeypatch.setattr(
        pipeline, "demo_workflow", lambda *, seed: seeds.append(seed) or found
    )

    answer = tfcompress("demo", "-o", tmp_path / "run", "--seed", "7")

    assert answer.code == 0, answer.err
    assert seeds == [7]


@pytest.mark.slow
def test_records_of_single_commands_make_a_report(tfcompress, tmp_path):
    """Any stage runs alone; the report needs nothing but the records."""
    from tests.models import conv_bn_net

    conv_bn_net(widths=(16, 16)).save(tmp_path / "net.keras")
    small, tflite = tmp_path / "small.keras", tmp_path / "small.tflite"
    data = ["--data", small_runs.SOURCE]

    steps = [
        ["prune", tmp_path / "net.keras", "-o", small, "--macs", "0.7", *data],
        ["convert", small, "-o", tflite],
        ["verify", small, tflite, *data, "-o", tmp_path / "verify.json"],
    ]
    for step in steps:
        assert tfcompress(*step).code == 0, step
    assert (tmp_path / "small.json").exists()
    assert (tmp_path / "small.tflite.json").exists()
    assert tfcompress("report", tmp_path, "-o", tmp_path / "page").code == 0
