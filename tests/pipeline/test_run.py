"""Tests of running a workflow: what runs again, what stays, and who is kept out."""

from __future__ import annotations

import json
import subprocess
import sys

import keras
import pytest

from tests.pipeline import fakes
from tfcompress import errors, files
from tfcompress.pipeline import Observer, run_workflow

ALL = [
    "original",
    "first",
    "first epoch 0",
    "second",
    "second epoch 0",
    "file",
    "check",
]


@pytest.fixture(autouse=True)
def _fake_stages(monkeypatch):
    fakes.install(monkeypatch)


@pytest.fixture
def model(tmp_path):
    return fakes.make_model(tmp_path / "net.keras")


@pytest.fixture
def run(tmp_path, model):
    """Return a function that runs the workflow and says which stages really ran."""

    def run(*, force=False, observer=None, **settings):
        fakes.RAN.clear()
        workflow = fakes.workflow(model, **settings)
        run.result = run_workflow(
            workflow, tmp_path / "run", force=force, command="c", observer=observer
        )
        return list(fakes.RAN)

    run.directory = tmp_path / "run"
    return run


def value(run) -> float:
    return json.loads((run.directory / "check.json").read_text())["details"]["value"]


def test_a_run_makes_models_records_and_logs(run):
    assert run() == ALL

    names = {path.name for path in run.directory.iterdir()}
    assert names >= {
        "run.json",
        *(f"{n}.json" for n in ("original", "first", "second", "file", "check")),
        *(f"{n}.log" for n in ("original", "first", "second", "file", "check")),
        *(f"{n}.keras" for n in ("original", "first", "second")),
        "file.tflite",
    }
    assert not list(run.directory.glob(".state/*"))
    assert value(run) == 6 * 3.0  # six weights of 1, two stages that add 1


def test_the_run_file_says_how_to_repeat_it(run):
    run(second={"amount": 2.0})

    content = json.loads((run.directory / "run.json").read_text())
    assert content["schema"] == 1
    assert content["command"] == "c"
    assert content["stages"] == ["original", "first", "second", "file", "check"]
    assert content["workflow"]["stages"][2]["amount"] == 2.0
    assert content["workflow"]["stages"][1]["amount"] == 1.0  # a default, filled in
    assert content["environment"]["keras"] == keras.__version__


def test_a_record_says_what_was_done(run):
    run()

    record = json.loads((run.directory / "second.json").read_text())
    assert record["stage"] == "add"
    assert record["name"] == "second"
    assert record["status"] == "done"
    assert record["inputs"] == {"model": "first.keras"}
    assert record["outputs"] == {"model": "second.keras"}
    assert record["config"] == {"amount": 1.0, "epochs": 1}
    assert record["model"]["cost"] == {"macs": 4, "params": 6, "size_bytes": 24}
    assert record["model"]["file_bytes"] == (
        (run.directory / "second.keras").stat().st_size
    )


def test_nothing_runs_twice(run):
    run()
    before = {p.name: p.read_bytes() for p in run.directory.glob("*.json")}

    assert run() == []

    assert {p.name: p.read_bytes() for p in run.directory.glob("*.json")} == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"check": {"limit": 50.0}}, ["check"]),
        ({"file": {"text": "0"}}, ["file", "check"]),
        (
            {"second": {"amount": 2.0}},
            ["second", "second epoch 0", "file", "check"],
        ),
        ({"first": {"amount": 2.0}}, ALL[1:]),
    ],
)
def test_a_changed_setting_runs_what_depends_on_it(run, change, expected):
    run()

    assert run(**change) == expected


def test_a_change_without_effect_stops_there(run):
    """Three epochs of the fake give the same weights: nothing after it has to run."""
    run()

    assert run(second={"epochs": 2}) == ["second", "second epoch 0", "second epoch 1"]


def test_another_model_runs_everything(run, model):
    run()
    fakes.make_model(model, value=5.0)

    assert run() == ALL
    assert value(run) == 6 * 7.0


def test_the_same_model_at_another_place_runs_nothing(run, model, tmp_path):
    run()
    fakes.RAN.clear()

    moved = model.rename(tmp_path / "moved.keras")
    run_workflow(fakes.workflow(moved), run.directory)

    assert fakes.RAN == []


def test_a_lost_file_is_made_again(run):
    run()
    (run.directory / "second.keras").unlink()

    assert run() == ["second", "second epoch 0"]


def test_an_altered_file_is_made_again(run):
    run()
    (run.directory / "file.tflite").write_text("99")

    assert run() == ["file"]
    assert (run.directory / "file.tflite").read_text() == "18.0"


def test_a_broken_record_is_made_again(run):
    run()
    (run.directory / "check.json").write_text('{"status": "do')

    assert run() == ["check"]


def test_force_starts_over(run):
    run()

    assert run(force=True) == ALL


def test_a_failed_check_lets_the_run_go_on_and_is_told(run):
    run(check={"limit": 1.0})

    assert not run.result.passed
    assert run.result.failures == ("check: 18.0 is above 1.0",)
    assert run(check={"limit": 1.0}) == []  # it is known; no need to run again
    assert not run.result.passed


def test_an_error_keeps_what_was_done(run, monkeypatch):
    def fail(_context):
        raise errors.TrainingError("The loss is no number. Received: nan. Do x.")

    broken = fakes.dataclasses.replace(fakes.kinds()["write"], run=fail)
    with monkeypatch.context() as patch:
        patch.setitem(fakes.stages.KINDS, "write", broken)
        with pytest.raises(errors.TrainingError):
            run()
    assert "The loss is no number" in (run.directory / "file.log").read_text()

    assert run() == ["file", "check"]


def test_what_is_measured_side_by_side_goes_into_the_originals_record(run):
    run()

    record = json.loads((run.directory / "original.json").read_text())
    assert record["details"]["benchmark"] == [{"p50_ms": 1.0}]


class Listener(Observer):
    def __init__(self):
        self.heard = []

    def stage_started(self, name, kind, *, index, total):
        self.heard.append((name, kind, index, total))

    def stage_finished(self, name, record):
        self.heard.append((name, "finished", record["name"]))

    def stage_skipped(self, name, record):
        self.heard.append((name, "skipped", record["name"]))


def test_an_observer_hears_of_every_stage(run):
    run()
    listener = Listener()

    run(check={"limit": 3.0}, observer=listener)

    assert listener.heard[:2] == [
        ("original", "original", 0, 5),
        ("original", "skipped", "original"),
    ]
    assert listener.heard[-2:] == [
        ("check", "check", 4, 5),
        ("check", "finished", "check"),
    ]


def test_a_second_process_is_kept_out(run):
    holder = (
        "import sys\nfrom tfcompress import files\n"
        f"with files.lock({str(run.directory)!r}):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(errors.LockedError, match="Another process"):
            run()
        process.stdin.close()
    assert run() == ALL


def test_the_lock_goes_with_its_holder(run):
    with files.lock(run.directory), pytest.raises(errors.LockedError):
        run()
    assert run() == ALL


def test_a_folder_of_something_else_is_left_alone(run):
    run.directory.mkdir()
    (run.directory / "thesis.txt").write_text("mine")

    with pytest.raises(errors.OutputError, match="other than a run"):
        run()
    with pytest.raises(errors.OutputError, match="other than a run"):
        run(force=True)
    assert (run.directory / "thesis.txt").read_text() == "mine"


def test_a_file_in_place_of_the_folder(run):
    run.directory.write_text("x")

    with pytest.raises(errors.OutputError, match="which is a file"):
        run()


def test_a_missing_model_is_told_before_any_work(run, model):
    model.unlink()

    with pytest.raises(errors.ModelError, match="no such model file"):
        run()
    assert not (run.directory / "run.json").exists()
