"""Tests of `tfcompress.amc.search` and `.problem`."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.amc.fakes import corners, network, quick, survival
from tfcompress import channels, data, errors, graph
from tfcompress.amc import exploration
from tfcompress.amc import problem as problems
from tfcompress.amc.search import AmcProgress, search

searches = importlib.import_module("tfcompress.amc.search")  # not the function

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataset():
    return corners()


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def found(model, dataset):
    """One uninterrupted search."""
    return search(model, dataset, config=quick(), evaluate=survival)


def same(one, other):
    """Compare what two searches found and how."""
    assert one.history == other.history
    assert one.plan.to_dict() == other.plan.to_dict()
    assert one.best_reward == other.best_reward
    for old, new in zip(
        one.model.get_weights(), other.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_the_best_plan_of_the_history_is_returned(found, model):
    """It meets the budget, and its figures are those of its episode."""
    rewards = [record["reward"] for record in found.history]
    assert len(rewards) == 8
    assert found.best_reward == max(rewards)
    assert found.best_episode == 1 + rewards.index(max(rewards))
    best = found.history[found.best_episode - 1]
    widths = [found.plan.kept(d["group"]) for d in found.decisions]
    assert best["widths"] == ",".join(map(str, widths))
    assert best["metric"] == found.best_metric
    assert found.best_reward == found.best_metric - 1
    cost = graph.cost(model, found.plan)
    assert best["macs"] == cost.macs <= 0.5 * graph.cost(model).macs


def test_the_history_says_how_the_search_went(found):
    """Best so far, noise and losses: none in the warm-up."""
    rewards = [record["reward"] for record in found.history]
    assert [record["episode"] for record in found.history] == list(range(1, 9))
    best = [record["best_reward"] for record in found.history]
    assert best == [max(rewards[: i + 1]) for i in range(8)]
    losses = [record["critic_loss"] for record in found.history]
    assert losses[:4] == [None] * 4
    assert all(loss >= 0 for loss in losses[4:])
    assert len({record["widths"] for record in found.history}) == found.evaluations


def test_an_episode_says_what_its_plan_kept(found):
    """By group, in the order of the decisions."""
    best = found.history[found.best_episode - 1]
    assert found.widths(best) == {d["group"]: d["kept"] for d in found.decisions}


def test_the_record_is_plain_json(found):
    """The report draws its curves from it."""
    record = found.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["metric"] == "survival"
    assert record["limits"]["macs"] == 0.5
    assert record["best"]["widths"] == [d["kept"] for d in record["decisions"]]
    assert record["original"]["macs"] > record["best"]["macs"]


def test_the_same_seed_finds_the_same_plan(found, model, dataset):
    """Another seed tries other plans."""
    same(search(model, dataset, config=quick(), evaluate=survival), found)
    other = search(model, dataset, config=quick(seed=1), evaluate=survival)
    assert other.history != found.history


def test_the_original_is_not_changed(dataset):
    """Every weight is what it was."""
    model = network()
    before = [weight.copy() for weight in model.get_weights()]
    search(model, dataset, config=quick(episodes=2), evaluate=survival)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_each_distinct_plan_is_judged_once(dataset):
    """Two groups of two widths: four plans and the original, for 20 episodes."""
    seen = []

    def counting(model):
        seen.append([weight.tobytes() for weight in model.get_weights()])
        return survival(model)

    config = quick(episodes=20, round_to=8, params=1.0)
    result = search(network(16, 16), dataset, config=config, evaluate=counting)
    assert len(seen) == len({tuple(weights) for weights in seen})
    cached = [record["cached"] for record in result.history]
    assert result.evaluations <= 4
    assert sum(cached) >= 16


def test_progress_is_reported_after_every_episode(model, dataset):
    """Best so far, reward, cost and the time left."""
    reports: list[AmcProgress] = []
    result = search(
        model, dataset, config=quick(), evaluate=survival, progress=reports.append
    )
    assert [report.episode for report in reports] == list(range(1, 9))
    assert [r.best_reward for r in reports] == [
        record["best_reward"] for record in result.history
    ]
    assert reports[1].fraction == 0.25
    assert reports[0].eta_seconds > 0
    assert reports[-1].eta_seconds == 0
    assert reports[0].cost["macs"] == result.history[0]["macs"]
    assert {"reward", "best", "metric", "macs"} <= reports[0].logs.keys()


def test_what_the_search_saw_is_what_pruning_gives(dataset):
    """The repaired model, masked or cut by the plan, has the plan's metric."""
    model = network()
    result = search(model, dataset, config=quick(episodes=3, reconstruct=True))
    task = data.Task.for_model(model, dataset)
    pruned, _ = graph.prune_model(result.model, result.plan)
    masked = graph.mask_model(result.model, result.plan, fold_constants=True)
    for smaller in (pruned, masked):
        judged = data.evaluate_model(smaller, dataset, split="validation", task=task)
        assert judged.value == pytest.approx(result.best_metric)
    assert graph.cost(pruned).macs == result.best.macs
    assert graph.trace(result.model).fingerprint == graph.trace(model).fingerprint
    repaired = [
        not np.array_equal(old, new)
        for old, new in zip(
            model.get_weights(), result.model.get_weights(), strict=True
        )
    ]
    assert any(repaired)


def test_the_repaired_model_computes_what_the_candidate_did(dataset, rng):
    """To the last bits: same outputs as the model that `evaluate` was given."""
    model = network()
    x = rng.normal(size=(5, 8, 8, 3)).astype("float32")
    outputs = {}

    def watching(candidate):
        value = survival(candidate)
        outputs[value] = np.asarray(candidate(x))
        return value

    config = quick(episodes=4, reconstruct=True)
    result = search(model, dataset, config=config, evaluate=watching)
    pruned, _ = graph.prune_model(result.model, result.plan)
    np.testing.assert_allclose(
        pruned(x), outputs[result.best_metric], rtol=1e-4, atol=1e-5
    )


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("episode", [1, 4, 7])
def test_a_killed_search_goes_on_and_ends_with_the_same_plan(
    tmp_path, model, dataset, found, episode
):
    """Killed in the warm-up, at its end, and while the agent learns."""

    def kill(report):
        if report.episode == episode:
            raise Killed

    settings = {"config": quick(), "evaluate": survival, "state_dir": tmp_path}
    with pytest.raises(Killed):
        search(model, dataset, **settings, progress=kill)
    reports = []
    same(search(model, dataset, **settings, progress=reports.append), found)
    assert len(reports) == 8 - episode


def test_a_search_killed_while_it_judges_loses_that_episode_only(
    tmp_path, model, dataset, found
):
    """The state is that of the last finished episode."""
    calls = 0

    def killing(candidate):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise Killed
        return survival(candidate)

    killing.__name__ = survival.__name__  # the same search by name
    with pytest.raises(Killed):
        search(model, dataset, config=quick(), evaluate=killing, state_dir=tmp_path)
    again = search(
        model, dataset, config=quick(), evaluate=survival, state_dir=tmp_path
    )
    same(again, found)


KILLED = """
import os, signal, sys
from tests.amc.fakes import corners, network, quick, survival
from tfcompress.amc.search import search

def kill(report):
    if report.episode == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

search(network(), corners(), config=quick(reconstruct=True), evaluate=survival,
       state_dir=sys.argv[1], progress=kill)
"""


@pytest.mark.slow
def test_kill_9_and_the_same_call_end_with_the_same_plan(tmp_path, dataset):
    """A real signal to a real process, twice, then the same call here."""
    for episode in ("3", "6"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), episode],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    config, reports = quick(reconstruct=True), []
    resumed = search(
        network(), dataset, config=config, evaluate=survival, state_dir=tmp_path,
        progress=reports.append,
    )  # fmt: skip
    assert [report.episode for report in reports] == [7, 8]
    same(resumed, search(network(), dataset, config=config, evaluate=survival))


def refuse(_model):
    raise AssertionError("nothing must be judged")


refuse.__name__ = survival.__name__


def test_a_finished_search_is_read_back_without_judging(
    tmp_path, model, dataset, found
):
    """The second call asks nothing; another setting does not use the old state."""
    first = {"config": quick(), "state_dir": tmp_path}
    search(model, dataset, evaluate=survival, **first)
    same(search(model, dataset, evaluate=refuse, **first), found)
    for other in (quick(seed=1), quick(macs=0.6), quick(noise=0.4)):
        with pytest.raises(errors.TfCompressError, match="nothing must be judged"):
            search(model, dataset, evaluate=refuse, config=other, state_dir=tmp_path)
    with pytest.raises(errors.TfCompressError, match="nothing must be judged"):
        search(network(16, 16, 24), dataset, evaluate=refuse, **first)
    otherwise = network()
    otherwise.get_layer("relu0").max_value = 6.0
    with pytest.raises(errors.TfCompressError, match="nothing must be judged"):
        search(otherwise, dataset, evaluate=refuse, **first)


def test_more_episodes_continue_a_finished_search(tmp_path, model, dataset, found):
    """As if there had been eight from the start."""
    settings = {"evaluate": survival, "state_dir": tmp_path}
    search(model, dataset, config=quick(episodes=5), **settings)
    same(search(model, dataset, config=quick(), **settings), found)


def test_tensorboard_gets_the_figures(tmp_path, model, dataset):
    """One event file beside the state, with the reward's curve in it."""
    search(
        model, dataset, config=quick(episodes=2), evaluate=survival, state_dir=tmp_path
    )
    (events,) = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    for name in (b"amc/reward", b"amc/best_reward", b"amc/macs", b"amc/baseline"):
        assert content.count(name) == 2
    assert b"amc/critic_loss" not in content  # the warm-up has none


def test_features_that_exceed_the_memory_are_mapped_to_files(tmp_path, dataset):
    """Beside the state, so that wide layers are fitted on every row all the same."""
    config = quick(reconstruct=True, max_memory_mb=0.7, episodes=1, warmup_episodes=1)
    settings = {"config": config, "evaluate": survival}
    wide = network(16, 24, 24)

    with_files = search(wide, dataset, **settings, state_dir=tmp_path)
    without = search(wide, dataset, **settings)

    assert any("in a memory map" in note for note in with_files.notes)
    assert not any("in a memory map" in note for note in without.notes)
    assert list(tmp_path.glob(".gram-*")) == []


def test_a_plateau_ends_the_search_if_asked_to(model, dataset):
    """Nothing gets better than the first plan: three episodes after the warm-up."""
    config = quick(episodes=50, patience=3)
    result = search(model, dataset, config=config, evaluate=lambda _: 0.5)
    assert len(result.history) == 7
    assert "stopped after 7: no better plan in 3 episodes" in result.notes
    never = search(model, dataset, config=quick(), evaluate=lambda _: 0.5)
    assert len(never.history) == 8


def test_a_search_that_is_all_warm_up_is_noted(model, dataset):
    """It is allowed: random search by another name."""
    config = quick(episodes=3, warmup_episodes=3)
    result = search(model, dataset, config=config, evaluate=survival)
    assert any("the agent never learned" in note for note in result.notes)
    assert not any("warm-up" in note for note in search(
        model, dataset, config=quick(episodes=5), evaluate=survival
    ).notes)  # fmt: skip


def test_accuracy_guaranteed_rewards_need_no_budget(model, dataset):
    """R = -error * ln(MACs) of the best plan, by hand."""
    config = quick(reward="macs")
    result = search(model, dataset, config=config, evaluate=survival)
    expected = -(1 - result.best_metric) * np.log(result.best.macs)
    assert result.best_reward == pytest.approx(expected)
    assert result.to_dict()["limits"] == {}


def zeros(model):
    """Return the fraction of zeros in each kernel, by layer."""
    return {
        layer.name: float((layer.kernel.numpy() == 0).mean())
        for layer in model.layers
        if hasattr(layer, "kernel")
    }


def test_fine_grained_plans_are_found_by_the_same_search(model, dataset):
    """A third of the weights stays; the plan cuts no channel."""
    config = quick(granularity="weights", params=1 / 3)
    result = search(model, dataset, config=config, evaluate=survival)
    kernels = sum(decision["size"] for decision in result.decisions)
    assert sum(decision["kept"] for decision in result.decisions) <= kernels / 3
    assert zeros(result.model) == pytest.approx(result.sparsities)
    best = result.history[result.best_episode - 1]
    assert result.widths(best) == {d["group"]: d["kept"] for d in result.decisions}
    assert survival(result.model) == pytest.approx(result.best_metric)
    assert result.plan.widths() == graph.PruningPlan.full(graph.trace(model)).widths()
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert record["granularity"] == "weights"
    assert record["sparsities"] == result.sparsities
    assert [d["layers"] for d in record["decisions"]] == [
        ["conv0"], ["conv1"], ["conv2"], ["head"],
    ]  # fmt: skip


@pytest.mark.slow
def test_a_killed_fine_grained_search_goes_on(tmp_path, model, dataset):
    """Regressed and judged on real images, as without the kill."""

    def kill(report):
        if report.episode == 3:
            raise Killed

    config = quick(granularity="weights", reconstruct=True, episodes=6)
    with pytest.raises(Killed):
        search(model, dataset, config=config, state_dir=tmp_path, progress=kill)
    resumed = search(model, dataset, config=config, state_dir=tmp_path)
    whole = search(model, dataset, config=config)
    same(resumed, whole)
    assert resumed.sparsities == whole.sparsities
    task = data.Task.for_model(model, dataset)
    judged = data.evaluate_model(whole.model, dataset, split="validation", task=task)
    assert judged.value == pytest.approx(whole.best_metric)


def test_tuning_comes_before_the_reward_in_fine_grained_mode(model, dataset):
    """What it adds to a bias is seen by `evaluate`, and is in the result."""

    def tune(candidate):
        head = candidate.get_layer("head")
        head.bias.assign(head.bias + 1.0)

    def bias(candidate):
        return float(candidate.get_layer("head").bias.numpy()[0])

    config = quick(granularity="weights", episodes=3)
    result = search(model, dataset, config=config, evaluate=bias, tune=tune)
    first = bias(model) + 1.0
    metrics = [record["metric"] for record in result.history]
    assert metrics == pytest.approx([first] * 3)
    assert bias(result.model) == pytest.approx(first)


def test_tuning_is_refused_where_channels_are_cut(model, dataset):
    """The message names the mode it belongs to."""
    with pytest.raises(errors.ConfigError, match="granularity='weights'"):
        search(model, dataset, config=quick(), tune=print)


@pytest.mark.parametrize(
    ("reward", "words"),
    [(lambda _: 1 / 0, "ZeroDivisionError"), (lambda _: float("nan"), "finite")],
)
def test_a_reward_that_fails_is_one_line(model, dataset, reward, words):
    with pytest.raises(errors.ModelError, match=words) as refused:
        search(model, dataset, config=quick(), evaluate=survival, reward=reward)
    assert "\n" not in str(refused.value)


def test_a_reward_of_the_users_own(model, dataset):
    """It sees what is known of a judged plan; its name is in the record."""

    def frugal(evaluated):
        return -evaluated.params / 1000

    result = search(model, dataset, config=quick(), evaluate=survival, reward=frugal)
    assert result.best_reward == -result.best.params / 1000
    assert result.best.params == min(r["params"] for r in result.history)
    assert result.to_dict()["reward"] == "frugal"


def test_a_budget_by_argument_replaces_the_configs(model, dataset):
    """A cost that no setting can name."""

    def milliseconds(layer_graph, plan):
        return graph.cost(layer_graph, plan).macs / 1e6

    limit = 0.3 * graph.cost(model).macs / 1e6
    budget = channels.Budget(custom=((milliseconds, limit),))
    result = search(model, dataset, config=quick(), budget=budget, evaluate=survival)
    assert result.best.macs / 1e6 <= limit
    assert result.best.custom == (result.best.macs / 1e6,)
    assert result.to_dict()["limits"]["milliseconds"] == limit


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"config": quick(macs=0.001)}, errors.BudgetError, "smallest"),
        ({"config": quick(exclude=("conv9",))}, errors.ConfigError, "conv1"),
        ({"config": quick(exclude=("conv0", "conv1"))}, errors.ModelError, "two"),
        ({"config": quick(evaluation_examples=500)}, errors.DataError, "holds out 29"),
    ],
)
def test_what_cannot_end_well_does_not_begin(
    monkeypatch, model, dataset, changes, error, words
):
    """One clear line, before any episode."""
    monkeypatch.setattr(exploration, "run_episode", refuse)
    with pytest.raises(error, match=words) as refused:
        search(model, dataset, **changes)
    assert "\n" not in str(refused.value)


def test_data_that_do_not_fit_are_refused_at_once(model):
    """Images of another size; labels of another number of classes."""
    with pytest.raises(errors.DataError, match="do not fit the model's input"):
        search(model, corners(size=6), config=quick())
    x = np.zeros((40, 8, 8, 3), np.float32)
    many = data.Dataset.from_arrays((x, np.arange(40) % 9), task="classification")
    with pytest.raises(errors.DataError, match="labels of 9 classes"):
        search(model, many, config=quick())


def raising(_model):
    raise RuntimeError("no images\nat all")


@pytest.mark.parametrize(
    ("evaluate", "words"),
    [(raising, "RuntimeError: no images"), (lambda _: float("nan"), "nan")],
)
def test_an_evaluate_that_fails_is_found_out_on_the_original(
    monkeypatch, model, dataset, evaluate, words
):
    """Before the first episode, in one line."""
    monkeypatch.setattr(exploration, "run_episode", refuse)
    with pytest.raises(errors.TfCompressError, match=words) as refused:
        search(model, dataset, config=quick(), evaluate=evaluate)
    assert "\n" not in str(refused.value)


def test_known_plans_cannot_be_forgotten():
    """The journal could not follow."""
    known = problems.Known()
    with pytest.raises(TypeError, match="cannot be forgotten"):
        del known["8,8"]


@pytest.mark.slow
def test_on_real_images_the_search_beats_its_own_warm_up(tmp_path):
    """Fashion-MNIST, a small trained network, half of the MACs, real evaluation."""
    dataset = data.load("fashion-mnist-small")
    x = image = keras.Input((28, 28, 1))
    keras.utils.set_random_seed(0)
    for i, width in enumerate((16, 16, 32)):
        x = keras.layers.Conv2D(
            width, 3, strides=2 if i else 1, padding="same", use_bias=False,
            name=f"conv{i}",
        )(x)  # fmt: skip
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(dataset.train(64), epochs=2, shuffle=False, verbose=0)
    config = quick(
        episodes=40, warmup_episodes=15, hidden_units=64, reconstruct=True,
        batch_size=32, evaluation_examples=500,
    )  # fmt: skip
    result = search(model, dataset, config=config, state_dir=tmp_path)
    pruned, _ = graph.prune_model(result.model, result.plan)
    task = data.Task.for_model(model, dataset)
    held_out = problems.HeldOut(dataset, task, num_examples=500)
    assert held_out(pruned) == pytest.approx(result.best_metric, abs=0.003)
    rewards = [record["reward"] for record in result.history]
    at_random = rewards[3:15]  # the three before are made by hand
    assert np.mean(rewards[15:]) > np.mean(at_random)
    assert result.best_metric > 0.5 * result.original.metric
