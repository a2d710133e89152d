"""Tests of the stage `amc` in a run, and of what `prune` has of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal

import keras
import pytest

from tests.models import conv_bn_net, randomise
from tests.pipeline import fake_search, small_runs
from tfcompress import errors, graph, latency, report
from tfcompress.pipeline import Observer, parse_workflow, run_workflow
from tfcompress.pipeline.settings import PruneConfig

DATA = {"source": "tests.cli.data_sets:fitting"}


@pytest.fixture
def model(tmp_path):
    """Return the path of a trained-looking network."""
    path = tmp_path / "net.keras"
    randomise(conv_bn_net(widths=(16, 16, 24))).save(path)
    return path


def record(directory, stage):
    return json.loads((directory / f"{stage}.json").read_text())


def workflow(model, *stages, data=DATA):
    content = {"model": {"path": str(model)}, "stage": list(stages)}
    if data:
        content["data"] = data
    return parse_workflow(content, folder="/")


def test_it_makes_a_model_and_writes_the_plan(tmp_path, model, monkeypatch):
    fake_search.install(monkeypatch)
    directory = tmp_path / "run"

    run_workflow(workflow(model, {"kind": "amc"}), directory)

    found = record(directory, "amc")
    plan = graph.PruningPlan.load(directory / found["details"]["plan"])
    cut = keras.saving.load_model(directory / found["outputs"]["model"])
    assert cut.get_layer("conv0").filters == plan.kept("conv0") == 8
    assert {row["group"]: row["after"] for row in found["channels"]} == plan.widths()
    assert found["surgery"]["notes"] is not None
    assert found["evaluation"]["test"]["num_examples"] == 60  # the last model's
    (search,) = report.build(directory).searches
    assert search.found.metric == 0.8
    assert len(search.episodes) == 2
    assert [method.name for method in search.methods] == [
        "uniform",
        "shallow",
        "deep",
        "amc",
    ]


def test_a_later_stage_reads_the_cut_model(tmp_path, model, monkeypatch):
    fake_search.install(monkeypatch)
    again = {"kind": "prune", "macs": 0.9, "min_channels": 1, "round_to": 1}
    stages = [{"kind": "amc", "name": "found"}, again]

    found = workflow(model, *stages)
    run_workflow(found, tmp_path / "run")

    assert found.stages[2].inputs == {"model": "found"}
    rows = record(tmp_path / "run", "prune")["channels"]
    assert {row["before"] for row in rows} == {8}
    assert (tmp_path / "run" / "found.plan.json").exists()


def test_it_runs_again_only_after_a_change(tmp_path, model, monkeypatch):
    called = fake_search.install(monkeypatch)
    directory = tmp_path / "run"

    for _ in range(2):
        run_workflow(workflow(model, {"kind": "amc"}), directory)
    assert called.count == 1
    run_workflow(workflow(model, {"kind": "amc", "episodes": 7}), directory)
    assert called.count == 2
    run_workflow(workflow(model, {"kind": "amc", "episodes": 7}), directory, force=True)
    assert called.count == 3
    assert called.state_dir.parent == directory / ".state"


def test_baselines_may_be_left_out(tmp_path, model, monkeypatch):
    called = fake_search.install(monkeypatch)

    run_workflow(workflow(model, {"kind": "amc", "baselines": []}), tmp_path / "run")

    assert called.methods is None
    assert record(tmp_path / "run", "amc")["details"]["search"]["baselines"] == []


def test_it_takes_the_seed_of_the_run(model):
    content = {"model": {"path": str(model)}, "data": DATA, "seed": 7, "amc": {}}

    found = parse_workflow(content, folder="/")

    assert found.stages[1].config.seed == 7
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"episode": 10}, "Did you mean 'episodes'"),
        ({"reward": "latency"}, "reward='latency'"),
        ({"runner": "fast"}, "runner='fast'"),
        ({"min_ratio": 0.0}, "min_ratio=0.0"),
        ({"baselines": ["amc"]}, "baselines='amc'; it must be names of uniform"),
        ({"milliseconds": 4.0}, "latency_table=None"),
        ({"latency_table": "t.json"}, "milliseconds=None"),
        ({"milliseconds": 0, "latency_table": "t.json"}, "milliseconds=0"),
    ],
)
def test_settings_are_checked_before_the_run(model, settings, said):
    with pytest.raises(errors.ConfigError, match=said):
        workflow(model, {"kind": "amc", **settings})


def test_it_needs_data(model):
    with pytest.raises(errors.ConfigError, match=r"'amc' needs data.*\[data\]"):
        workflow(model, {"kind": "amc"}, data=None)


def test_a_budget_that_cannot_be_met_leaves_the_original(tmp_path, model):
    with pytest.raises(errors.BudgetError):
        run_workflow(workflow(model, {"kind": "amc", "macs": 0.001}), tmp_path / "run")
    assert record(tmp_path / "run", "original")["status"] == "done"
    assert not (tmp_path / "run" / "amc.json").exists()


def test_a_plan_with_other_content_cuts_again(tmp_path, model):
    """The content of a plan file counts, not its name."""
    traced = graph.trace(keras.saving.load_model(model))
    path, directory = tmp_path / "plan.json", tmp_path / "run"
    stage = {"kind": "prune", "plan": str(path)}
    for kept in (16, 8):
        graph.PruningPlan.of(traced, {"conv0": range(kept)}).save(path)
        run_workflow(workflow(model, stage, data=None), directory)

    rows = record(directory, "prune")["channels"]
    assert [row["after"] for row in rows if row["group"] == "conv0"] == [8]


def test_reconstruction_needs_data(model):
    stage = {"kind": "prune", "macs": 0.5, "reconstruct": True}

    with pytest.raises(errors.ConfigError, match="needs data"):
        workflow(model, stage, data=None)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reextract": True}, "reextract=True; it must be used with reconstruct"),
        ({"reconstruction_examples": 0}, "reconstruction_examples=0"),
    ],
)
def test_settings_of_the_reconstruction_are_checked(settings, said):
    with pytest.raises(errors.ConfigError, match=said):
        PruneConfig(macs=0.5, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("reextract", [False, True])
def test_prune_repairs_what_it_cuts(tmp_path, model, reextract):
    """The outputs of the repaired cut are nearer to the original's."""
    from tests.cli import data_sets

    repaired = {"reconstruct": True, "reextract": reextract, "name": "repaired"}
    stages = [
        {"kind": "prune", "macs": 0.5, "input": "original", **extra}
        for extra in ({"name": "plain"}, repaired)
    ]
    run_workflow(workflow(model, *stages), tmp_path / "run")

    x, _ = data_sets.images()
    before, plain, after = (
        keras.saving.load_model(tmp_path / "run" / f"{name}.keras").predict(x)
        for name in ("original", "plain", "repaired")
    )
    assert abs(after - before).mean() < 0.7 * abs(plain - before).mean()


class Killer(Observer):
    """Kills the process after a plan."""

    def __init__(self, episode: int) -> None:
        self._episode = episode

    def progress(self, name, progress):
        """Die once the plan is judged and saved."""
        if name == "amc" and getattr(progress, "episode", None) == self._episode:
            os.kill(os.getpid(), signal.SIGKILL)


def search_and_die(directory, episode: int) -> None:
    """Run a workflow with a real search, for a process of its own."""
    content = {
        "model": {
            "builder": "tests.pipeline.small_runs:build",
            "train": {"epochs": 1, "batch_size": 16},
        },
        "data": {"source": small_runs.SOURCE},
        "amc": {
            "macs": 0.6,
            "episodes": 7,
            "warmup_episodes": 3,
            "round_to": 2,
            "batch_size": 4,
            "baselines": ["uniform", "random"],
        },
        "report": {},
    }
    run_workflow(parse_workflow(content), directory, observer=Killer(episode))


@pytest.mark.slow
def test_a_run_killed_in_its_search_ends_with_the_same_plan(tmp_path):
    """SIGKILL in the warm-up and after it; then it goes on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfcompress.pipeline"])

    def run(directory, episode=0):
        process = context.Process(target=search_and_die, args=(directory, episode))
        process.start()
        process.join()
        return process.exitcode

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert run(whole) == 0
    for episode in (2, 5):
        assert run(killed, episode) == -signal.SIGKILL
    assert run(killed) == 0

    assert (killed / "amc.plan.json").read_bytes() == (
        whole / "amc.plan.json"
    ).read_bytes()
    before, after = record(whole, "amc"), record(killed, "amc")
    assert after["fingerprints"] == before["fingerprints"]
    for part in ("history", "baselines", "best"):
        assert after["details"]["search"][part] == before["details"]["search"][part]
    assert [row["method"] for row in before["details"]["search"]["baselines"]] == [
        "uniform",
        "random",
    ]
    assert "The search for a plan" in (killed / "report.html").read_text()


@pytest.fixture
def table(tmp_path, model):
    """Return the path of a table of this host, in which nothing was measured twice."""
    layer_graph = graph.trace(keras.saving.load_model(model))
    latency.build_table(layer_graph, num_networks=0, run_dir=tmp_path / "latency")
    return tmp_path / "latency" / "table.json"


@pytest.mark.slow
def test_a_limit_in_milliseconds_holds_and_finalists_are_measured(
    tmp_path, model, table
):
    """Real episodes, a real table of this host; the report says what came of it."""
    layer_graph = graph.trace(keras.saving.load_model(model))
    known = latency.Table.load(table)
    limit = 0.8 * latency.predict(layer_graph, None, known)
    stage = {
        "kind": "amc",
        "milliseconds": limit,
        "latency_table": str(table),
        "episodes": 6,
        "warmup_episodes": 4,
        "evaluation_examples": 10,
        "reconstruction_examples": 50,
        "round_to": 4,
        "finalists": 2,
        "baselines": ["uniform"],
    }

    run_workflow(workflow(model, stage), tmp_path / "run")

    search = record(tmp_path / "run", "amc")["details"]["search"]
    timed = search["latency"]
    assert timed["limit_ms"] == limit
    assert timed["where"] == "host"
    assert len(timed["plans"]) == 2
    assert timed["plans"][0]["metric"] >= timed["plans"][1]["metric"]
    for plan in timed["plans"]:
        assert 0 < plan["predicted_ms"] <= limit
        assert plan["measured_ms"] > 0
    assert all(episode["custom"][0] <= limit for episode in search["history"])
    (shown,) = report.build(tmp_path / "run").searches
    assert shown.notes[0].startswith("Limit: ")
    assert "host latency" in shown.notes[0]
    assert "measured" in shown.notes[1]
