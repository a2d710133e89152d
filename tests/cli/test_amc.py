"""Tests of ``tfcompress amc``: refusals, what it writes, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.cli import data_sets
from tests.cli.conftest import DATA
from tests.pipeline import fake_search
from tfcompress import graph

BRIEF = ("--episodes", "6", "--warmup-episodes", "3")


@pytest.fixture
def amc(model_file, tmp_path):
    """Return the arguments of a search."""
    return ["amc", model_file, "-o", tmp_path / "plan.json", "--data", DATA]


@pytest.fixture
def fake(monkeypatch):
    """Put a search in place that returns at once."""
    return fake_search.install(monkeypatch)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("fake")
def test_it_writes_the_plan_and_a_record(tfcompress, amc, tmp_path):
    answer = tfcompress(*amc, "--json")

    assert answer.code == 0, answer.err
    plan = graph.PruningPlan.load(tmp_path / "plan.json")
    assert set(plan.widths().values()) == {8}
    record = answer.record
    assert record == json.loads((tmp_path / "plan.amc.json").read_text())
    assert record["stage"] == "amc"
    assert record["outputs"] == {}
    assert record["details"]["plan"] == "plan.json"
    assert record["details"]["search"]["reward"] == "error"
    assert record["before"]["cost"]["macs"] > record["model"]["cost"]["macs"]
    assert record["evaluation"]["test"] is None  # nothing to show it for
    assert names(tmp_path) == ["plan.amc.json", "plan.amc.log", "plan.json"]


def test_single_weights_are_written_by_layer(tfcompress, fake, amc, tmp_path):
    """There is no plan to cut by; the model keeps its shape and its zeros."""
    fake.sparsities = {"conv0": 0.5}

    answer = tfcompress(*amc, "--granularity", "weights", "--json")

    assert answer.code == 0, answer.err
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written == {"model_name": "conv_bn_net", "sparsities": {"conv0": 0.5}}
    assert answer.record["channels"] == []
    cost = answer.record["model"]["cost"]
    assert cost == answer.record["before"]["cost"]


@pytest.mark.usefixtures("fake")
def test_the_model_goes_where_the_user_says(tfcompress, amc, tmp_path):
    """With it come the figures on the test part, as for every model."""
    target = tmp_path / "models" / "small.keras"

    answer = tfcompress(*amc, "--save-model", target, "--json")

    assert answer.code == 0, answer.err
    assert keras.saving.load_model(target).get_layer("conv0").filters == 8
    record = answer.record
    assert record["outputs"] == {"model": "small.keras"}
    assert record["evaluation"]["test"]["num_examples"] == 60
    assert not (tmp_path / "plan.keras").exists()


@pytest.mark.usefixtures("fake")
def test_the_table_says_what_was_found(tfcompress, amc, tmp_path):
    answer = tfcompress(*amc, "--save-model", tmp_path / "small.keras")

    assert answer.code == 0, answer.err
    for text in (
        "before",
        "macs",
        "accuracy (validation)",
        "uniform",
        "-0.2500",
        "best of 2 plans, 2 of them different: number 2, held-out accuracy 0.8000",
        "plan.json, ",
        "small.keras and plan.amc.json",
    ):
        assert text in answer.out


def test_settings_reach_the_search(tfcompress, fake, amc):
    answer = tfcompress(
        *amc,
        *("--macs", "0.6", "--reward", "macs", "--episodes", "7", "--patience", "4"),
        *("--no-reconstruct", "--min-ratio", "0.3", "--exclude", "conv0"),
        *("--evaluation-examples", "9", "--seed", "5"),
        *("--baseline", "random", "--baseline", "deep"),
    )

    assert answer.code == 0, answer.err
    config = fake.config
    assert (config.macs, config.reward, config.episodes) == (0.6, "macs", 7)
    assert (config.patience, config.reconstruct, config.min_ratio) == (4, False, 0.3)
    assert (config.exclude, config.evaluation_examples) == (("conv0",), 9)
    assert config.seed == 5
    assert fake.methods == ("random", "deep")


@pytest.mark.usefixtures("fake")
def test_each_plan_is_a_line_of_the_log(tfcompress, amc, tmp_path):
    tfcompress(*amc)

    log = (tmp_path / "plan.amc.log").read_text()
    assert "episode 2/2: reward -0.2000, best -0.2000, macs 93,352" in log
    assert "uniform 1/1: best -0.2500" in log


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", ["plan.json", "plan.amc.json", "small.keras"])
def test_nothing_is_overwritten_without_force(tfcompress, refused, amc, tmp_path, name):
    (tmp_path / name).write_text("mine")
    arguments = [*amc, "--save-model", tmp_path / "small.keras"]

    assert "--force" in refused(*arguments)
    assert (tmp_path / name).read_text() == "mine"
    assert tfcompress(*arguments, "--force").code == 0
    assert (tmp_path / name).read_bytes() != b"mine"


def test_a_plan_is_a_json_file(refused, amc, tmp_path):
    amc[amc.index("-o") + 1] = tmp_path / "plan.keras"

    assert "Name it plan.json" in refused(*amc)


def test_a_saved_model_is_a_keras_file(refused, amc, tmp_path):
    message = refused(*amc, "--save-model", tmp_path / "small.tflite")

    assert "--save-model" in message
    assert "small.keras" in message


def test_it_needs_data(tfcompress, model_file, tmp_path):
    answer = tfcompress("amc", model_file, "-o", tmp_path / "plan.json")

    assert answer.code == 2
    assert "--data" in answer.err


def test_a_setting_out_of_its_range_is_told_before_work(refused, amc):
    message = refused(*amc, "--granularity", "weights", "--macs", "0.5")

    assert "macs=0.5" in message


def test_a_budget_below_the_floor_is_told_before_any_plan(refused, amc, tmp_path):
    """The same exit code as for the other commands that meet a budget."""
    message = refused(*amc, "--macs", "0.01", *BRIEF, code=3)

    assert "macs" in message.lower()
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.slow
def test_prune_with_the_plan_gives_what_the_search_judged(
    tfcompress, model_file, amc, tmp_path
):
    """`prune --reconstruct` repairs as the search did: the same weights."""
    judged, again = tmp_path / "small.keras", tmp_path / "again.keras"
    answer = tfcompress(*amc, *BRIEF, "--save-model", judged, "--json")
    assert answer.code == 0, answer.err
    search = answer.record["details"]["search"]
    validation = answer.record["evaluation"]["validation"]["value"]
    assert validation == pytest.approx(search["best"]["metric"])
    assert answer.record["model"]["cost"]["macs"] == search["best"]["macs"]

    plan = ["--plan", tmp_path / "plan.json", "--data", DATA, "--json"]
    answer = tfcompress("prune", model_file, *plan, "--reconstruct", "-o", again)
    assert answer.code == 0, answer.err
    x, _ = data_sets.images()
    np.testing.assert_allclose(
        keras.saving.load_model(again).predict(x, verbose=0),
        keras.saving.load_model(judged).predict(x, verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.slow
def test_an_interrupted_search_goes_on(model_file, tmp_path):
    """Ctrl-C says how to go on in a line; the same command then ends the search."""
    output = tmp_path / "plan.json"
    command = [sys.executable, "-m", "tfcompress.cli", "amc", str(model_file)]
    command += ["-o", str(output), "--data", DATA, "--warmup-episodes", "2"]
    command += ["--episodes", "40"]
    log = tmp_path / "plan.amc.log"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (log.exists() and "episode 2/40: " in log.read_text()):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    last = err.strip().splitlines()[-1]
    assert last == "Interrupted. Run the same command again to resume."
    assert not output.exists()

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for episode in (1, 2, 40):  # none is tried again
        assert log.read_text().count(f"episode {episode}/40: ") == 1
    assert names(tmp_path) == ["plan.amc.json", "plan.amc.log", "plan.json"]
