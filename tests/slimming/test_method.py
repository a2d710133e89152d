"""Tests of `tfcompress.slimming.method`, `.passes` and `.pass_state`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import randomise
from tests.slimming.fakes import corners, small_net
from tfcompress import channels, data, errors, graph
from tfcompress.slimming import SlimConfig, method, passes, slim

L = keras.layers


def quick(**settings):
    """Return settings for a training of seconds."""
    base = {
        "strength": 0.02,
        "sparse_epochs": 2,
        "epochs": 2,
        "learning_rate": 0.05,
        "optimizer": "sgd",
        "batch_size": 32,
        "macs": 0.5,
    }
    return SlimConfig(**{**base, **settings})


@pytest.fixture(scope="module")
def dataset():
    return corners()


@pytest.fixture(scope="module")
def slimmed(dataset):
    """The whole method once, in two passes."""
    model = small_net(16, 24)
    before = [weight.copy() for weight in model.get_weights()]
    result = slim(model, dataset, config=quick(passes=2, max_drop=1.0))
    return model, before, result


def test_the_result_meets_the_budget_and_is_a_plain_model(slimmed, tmp_path):
    """No penalty, no custom object; it saves, loads and trains on."""
    _, _, result = slimmed
    assert result.cost_after.macs <= 0.5 * result.cost_before.macs
    assert not result.model.losses
    assert {type(layer).__module__.split(".")[0] for layer in result.model.layers} == {
        "keras"
    }
    result.model.save(tmp_path / "slim.keras")
    again = keras.models.load_model(tmp_path / "slim.keras")
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(again(x), result.model(x))
    again.compile("sgd", "sparse_categorical_crossentropy")
    again.fit(x, np.arange(4), verbose=0)


def test_the_original_is_not_changed(slimmed):
    """Every weight is what it was."""
    model, before, _ = slimmed
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_plan_of_all_passes_cuts_the_original_to_the_same_shape(slimmed):
    """Kept indices of the second pass are indices into what the first one kept."""
    model, _, result = slimmed
    again, _ = graph.prune_model(model, result.plan)
    shapes = [weight.shape for weight in again.weights]
    assert shapes == [weight.shape for weight in result.model.weights]
    assert result.plan.widths() == result.passes[-1]["channels"]


def test_passes_approach_the_budget_in_equal_steps(slimmed):
    """The first of two passes leaves at most the root of one half."""
    _, _, result = slimmed
    first, second = (record["macs"] for record in result.passes)
    assert first <= 0.5**0.5 * result.cost_before.macs
    assert second == result.cost_after.macs
    assert second < first < result.cost_before.macs


def test_history_and_scales_cover_all_trainings(slimmed):
    """Two passes of 2 + 2 epochs; scales before and after each epoch with a penalty."""
    _, _, result = slimmed
    assert len(result.history["loss"]) == 8
    assert len(result.history["val_accuracy"]) == 8
    assert [record["epoch"] for record in result.scales] == [0, 1, 2, 3, 4]


def test_records_say_what_each_pass_did(slimmed):
    """Accuracy of the sparse, the cut and the retrained model; JSON values only."""
    _, _, result = slimmed
    record = result.passes[0]
    assert record["metric"] == "accuracy"
    assert all(0 <= record[name] <= 1 for name in ("sparse", "cut", "retrained"))
    assert record["kept"]
    assert record["recovered"]


def test_retraining_brings_the_accuracy_back(slimmed):
    """The task is easy: the small model solves it as well."""
    _, _, result = slimmed
    assert result.passes[-1]["retrained"] > 0.9
    assert result.recovered


def scripted(monkeypatch, retrained):
    """Replace a pass by a cut that ends with the next accuracy of a list."""
    values = iter(retrained)
    arms = []

    def run(model, work, *, budget, arm, state):
        del work, state
        arms.append(arm)
        layer_graph = graph.trace(model)
        scores = channels.random(layer_graph)
        plan = channels.select(layer_graph, scores, budget=budget)
        smaller, report = graph.prune_model(layer_graph, plan)

        def judged(value):
            return data.Evaluation(
                metric="accuracy", value=value, higher_is_better=True, num_examples=1
            )

        return passes.Pass(
            model=smaller, plan=plan, report=report, sparse=judged(0.9),
            cut=judged(0.5), retrained=judged(next(values)), histories={}, scales=[],
        )  # fmt: skip

    monkeypatch.setattr(method, "run_pass", run)
    return arms


def test_the_last_pass_that_recovered_is_returned(monkeypatch, dataset):
    """The third of four passes stays 2 points below 0.9: the second one wins."""
    scripted(monkeypatch, [0.9, 0.895, 0.88])
    config = quick(passes=4, max_drop=0.01, macs=0.4)
    result = slim(small_net(24, 32), dataset, config=config)
    assert [record["recovered"] for record in result.passes] == [True, True, False]
    assert [record["kept"] for record in result.passes] == [True, True, False]
    assert result.recovered
    assert result.cost_after.macs == result.passes[1]["macs"]
    assert result.plan.widths() == result.passes[1]["channels"]


def test_a_first_pass_that_does_not_recover_is_returned_and_says_so(
    monkeypatch, dataset, caplog
):
    """Something must be returned; the flag and the log warn."""
    scripted(monkeypatch, [0.5])
    result = slim(small_net(24, 32), dataset, config=quick(passes=3))
    assert not result.recovered
    assert len(result.passes) == 1
    assert "did not bring the accuracy back" in caplog.text


def test_only_the_last_pass_starts_from_scratch(monkeypatch, dataset):
    """A pass in between needs its weights for the next one."""
    arms = scripted(monkeypatch, [0.9, 0.9, 0.9])
    slim(small_net(24, 32), dataset, config=quick(passes=3, arm="scratch_b"))
    assert arms == ["finetune", "finetune", "scratch_b"]


def test_custom_costs_come_by_argument(monkeypatch, dataset):
    """A latency is approached like MACs and holds in the end."""
    scripted(monkeypatch, [0.9, 0.9])

    def milliseconds(layer_graph, plan):
        return graph.cost(layer_graph, plan).macs / 1e6

    model = small_net(24, 32)
    whole = graph.cost(model).macs / 1e6
    budget = channels.Budget(custom=((milliseconds, whole / 2),))
    result = slim(model, dataset, config=quick(passes=2), budget=budget)
    first, second = (record["macs"] / 1e6 for record in result.passes)
    assert first <= whole * 0.5**0.5
    assert second <= whole / 2


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["scratch_e", "scratch_b"])
def test_scratch_arms_train_new_weights(dataset, arm):
    """Scratch-E as many epochs as the original, Scratch-B as much compute."""
    config = quick(arm=arm, sparse_epochs=1, epochs=1, original_epochs=2)
    result = slim(small_net(16, 24), dataset, config=config)
    saved = result.cost_before.macs / result.cost_after.macs
    expected = 2 if arm == "scratch_e" else int(2 * saved)
    assert len(result.history["loss"]) == 1 + expected


def test_other_criteria_need_no_norms(dataset):
    """Without sparse training, a model without BatchNorm can be cut by its weights."""
    x = keras.Input((8, 8, 3))
    y = L.Flatten()(L.Conv2D(16, 3, activation="relu")(x))
    model = keras.Model(x, L.Dense(4, activation="softmax")(y))
    config = quick(criterion="taylor", sparse_epochs=0, epochs=1)
    result = slim(model, dataset, config=config)
    assert result.cost_after.macs <= 0.5 * result.cost_before.macs
    assert result.scales == []


def test_without_norms_the_method_is_refused_at_once(dataset):
    """The message suggests another criterion."""
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, L.Dense(4)(L.Flatten()(L.Conv2D(16, 3)(x))))
    with pytest.raises(errors.ModelError, match="prune --criterion l1_norm"):
        slim(model, dataset, config=quick())


def refuse_training(*_, **__):
    raise AssertionError("training must not start")


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"macs": 0.001}, errors.BudgetError, "the smallest that can be reached"),
        ({"exclude": ("conv9",)}, errors.ConfigError, "Did you mean 'conv1'"),
    ],
)
def test_what_cannot_end_well_does_not_begin(
    monkeypatch, dataset, settings, error, words
):
    """Budget and names are checked before the long work."""
    monkeypatch.setattr(method, "run_pass", refuse_training)
    with pytest.raises(error, match=words):
        slim(small_net(16, 24), dataset, config=quick(**settings))


def test_data_that_do_not_fit_are_refused_at_once(monkeypatch):
    """Images of another size."""
    monkeypatch.setattr(method, "run_pass", refuse_training)
    with pytest.raises(errors.DataError):
        slim(small_net(16, 24), corners(size=6), config=quick())


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [3, 15, 29, 45])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(
    dataset, tmp_path, slimmed, steps
):
    """Killed while training sparse, at a cut, while retraining, in the second pass."""
    model, _, expected = slimmed
    config = quick(passes=2, max_drop=1.0)
    seen = 0

    def kill(_progress):
        nonlocal seen
        seen += 1
        if seen == steps:
            raise Killed

    with pytest.raises(Killed):
        slim(model, dataset, config=config, state_dir=tmp_path, progress=kill)
    result = slim(model, dataset, config=config, state_dir=tmp_path)
    assert result.passes == expected.passes
    assert result.history == expected.history
    for old, new in zip(
        expected.model.get_weights(), result.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_a_finished_run_is_read_back_without_training(dataset, tmp_path, monkeypatch):
    """The second call trains nothing; another setting does not use the old state."""
    model, config = small_net(16, 24), quick(sparse_epochs=1, epochs=1)
    first = slim(model, dataset, config=config, state_dir=tmp_path)
    monkeypatch.setattr(passes.training, "train", refuse_training)
    again = slim(model, dataset, config=config, state_dir=tmp_path)
    assert again.history == first.history
    assert again.passes == first.passes
    for other in (quick(sparse_epochs=1, epochs=1, strength=0.5), quick(macs=0.6)):
        with pytest.raises(AssertionError, match="training must not start"):
            slim(model, dataset, config=other, state_dir=tmp_path)
    with pytest.raises(AssertionError, match="training must not start"):
        slim(randomise(small_net(16, 24)), dataset, config=config, state_dir=tmp_path)
    other_model = small_net(16, 24)
    other_model.get_layer("relu0").max_value = 6.0
    other_budget = {"budget": channels.Budget(params=0.4)}
    for other, settings in ((other_model, {}), (model, other_budget)):
        with pytest.raises(AssertionError, match="training must not start"):
            slim(other, dataset, config=config, state_dir=tmp_path, **settings)


@pytest.mark.slow
def test_a_damaged_state_is_done_again(dataset, tmp_path, caplog):
    """Half a file is not trusted; the log says so."""
    model, config = small_net(16, 24), quick(sparse_epochs=1, epochs=1)
    first = slim(model, dataset, config=config, state_dir=tmp_path)
    path = tmp_path / "pass-1" / "retrain.npz"
    path.write_bytes(path.read_bytes()[:100])
    again = slim(model, dataset, config=config, state_dir=tmp_path)
    assert "doing this phase again" in caplog.text
    assert again.passes == first.passes
