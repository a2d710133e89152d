"""Tests of building a table, with a machine that is arithmetic."""

from __future__ import annotations

import dataclasses
import json

import keras
import numpy as np
import pytest

from tests.latency import nets
from tests.latency.conftest import FakeMeasure, fake_ms
from tfcompress import errors, graph, latency
from tfcompress.latency import points
from tfcompress.latency.building import TABLE
from tfcompress.latency.network_files import write_network
from tfcompress.latency.operators import find_operators


@pytest.fixture
def build(layer_graph, conditions, tmp_path):
    def run(measure=None, **options):
        return latency.build_table(
            options.pop("models", layer_graph),
            "fake",
            measure=measure or FakeMeasure(),
            conditions=options.pop("conditions", conditions),
            run_dir=options.pop("run_dir", tmp_path),
            **{"num_networks": 4, **options},
        )

    return run


def test_every_operator_is_measured_once(build):
    measure = FakeMeasure()
    table = build(measure)

    *operators, _, _, _, _ = measure.calls  # four passes over the networks
    assert sum(operators) == table.num_points
    assert max(operators) <= points.BATCH
    # 3 -> 8, 16, 24, 32 channels of an 8 x 8 image, by a 3 x 3 window
    stem = table.points["conv 8x8 3x3 /1x1"]
    assert sorted(stem) == [(3, 8), (3, 16), (3, 24), (3, 32)]
    assert stem[3, 8] == pytest.approx((8 * 8 * 9 * 3 * 8 + 8 * 8 * 8) * 1e-6)


def test_a_prediction_is_what_the_whole_network_takes(build, layer_graph, tmp_path):
    """Times that are linear in the counts are interpolated without an error."""
    table = build()
    found = find_operators(layer_graph)
    for plan in latency.random_plans(layer_graph, 5, seed=7):
        path = tmp_path / "network.tflite"
        path.write_bytes(write_network(layer_graph, found, plan))

        predicted = latency.predict(layer_graph, plan, table)

        assert predicted == pytest.approx(fake_ms(path), rel=1e-3)


@pytest.mark.parametrize(
    "network",
    [
        nets.segmentation,
        nets.detection,
        nets.shuffling,
        nets.shufflenet,
    ],
    ids=["segmentation", "detection", "shuffling", "shufflenet"],
)
def test_networks_of_users_are_predicted(build, network, tmp_path):
    """Plans that the table has not seen, on the machine that is arithmetic."""
    layer_graph = graph.trace(network())
    table = build(models=layer_graph, num_networks=8)
    found = find_operators(layer_graph)
    for plan in latency.random_plans(layer_graph, 5, seed=7):
        path = tmp_path / "network.tflite"
        path.write_bytes(write_network(layer_graph, found, plan))

        predicted = latency.predict(layer_graph, plan, table)

        assert predicted == pytest.approx(fake_ms(path), rel=0.02)


@pytest.fixture
def with_a_norm():
    image = keras.Input((6, 6, 3), name="image")
    x = keras.layers.Conv2D(8, 1, name="conv")(image)
    x = keras.layers.LayerNormalization(name="norm")(x)
    return keras.Model(image, keras.layers.Conv2D(2, 1, name="head")(x))


def test_a_layer_without_a_rule_ends_the_build(build, with_a_norm, layer_graph):
    """Before anything is measured; a table of another model does not predict it."""
    measure = FakeMeasure()
    with pytest.raises(errors.BenchmarkError, match=r"norm \(LayerNormalization\)"):
        build(measure, models=with_a_norm)
    assert measure.calls == []
    table = build(models=layer_graph)
    with pytest.raises(errors.BenchmarkError, match=r"norm \(LayerNormalization\)"):
        latency.predict(graph.trace(with_a_norm), None, table)


@pytest.mark.slow
def test_a_layer_without_a_rule_can_be_left_to_the_networks(
    build, with_a_norm, monkeypatch
):
    """They are cut and converted, so they have it; in a process's first call too."""
    monkeypatch.delattr("tfcompress.tflite.recipes", raising=False)
    layer_graph = graph.trace(with_a_norm)
    table = build(models=layer_graph, num_networks=2, allow_uncovered=True)
    assert latency.predict(layer_graph, None, table) > 0
    assert latency.predictor(layer_graph, table).uncovered == {
        "norm": "LayerNormalization"
    }
    with pytest.raises(errors.ConfigError, match="num_networks=0"):
        build(models=layer_graph, num_networks=0, allow_uncovered=True)


def test_a_killed_build_goes_on_where_it_was(build, monkeypatch):
    monkeypatch.setattr(points, "BATCH", 8)
    whole = FakeMeasure()
    total = build(whole, run_dir=None).num_points
    with pytest.raises(KeyboardInterrupt):
        build(FakeMeasure(fail_after=2))

    rest = FakeMeasure()
    table = build(rest)

    assert table.num_points == total
    assert len(rest.calls) == len(whole.calls) - 2


def test_a_finished_table_measures_nothing_again(build):
    first, again = build(), FakeMeasure()
    assert build(again).to_dict() == first.to_dict()
    assert again.calls == []


def test_a_second_model_measures_only_what_is_new(build, layer_graph):
    """The same layers at other places are the same families."""
    build()
    other = graph.trace(layer_graph.model)
    measure = FakeMeasure()
    build(measure, models=[other, layer_graph])
    assert measure.calls == []


def test_a_table_of_other_conditions_is_not_extended(build, conditions):
    build()
    other = dataclasses.replace(conditions, num_threads=4)
    with pytest.raises(errors.ConfigError, match="num_threads=1; expected num_thread"):
        build(conditions=other)


def test_a_target_that_is_not_here_needs_a_measurement(layer_graph):
    with pytest.raises(errors.ConfigError, match="Received: target='R58M'"):
        latency.build_table(layer_graph, "R58M")


@pytest.mark.parametrize("answer", [0.0, -1.0, float("nan")])
def test_a_measurement_that_is_no_time_is_refused(build, answer):
    with pytest.raises(errors.BenchmarkError, match="is no time"):
        build(lambda paths: [answer] * len(paths))


def test_a_table_survives_its_file(build, tmp_path, layer_graph):
    table = build()
    loaded = latency.Table.load(tmp_path / TABLE)

    assert loaded.to_dict() == table.to_dict()
    plan = latency.random_plans(layer_graph, 1, seed=3)[0]
    assert latency.predict(layer_graph, plan, loaded) == latency.predict(
        layer_graph, plan, table
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("conditions"),
        lambda record: record.update(schema=99),
        lambda record: record["families"][0]["counts"].pop(),
        lambda record: record["families"][0]["family"].update(colour="red"),
        lambda record: record.update(families=3),
    ],
)
def test_a_damaged_table_is_one_line(build, tmp_path, damage):
    build()
    path = tmp_path / TABLE
    record = json.loads(path.read_text())
    damage(record)
    path.write_text(json.dumps(record))

    with pytest.raises(errors.DataError, match="Received:"):
        latency.Table.load(path)


def test_operators_that_the_table_lacks_are_named(build):
    table = build()
    image = keras.Input((5, 5, 3))
    other = graph.trace(keras.Model(image, keras.layers.Conv2D(8, 1)(image)))
    with pytest.raises(errors.BenchmarkError, match="conv 5x5 1x1"):
        latency.predict(other, None, table)


def test_the_budget_limits_a_selection(build, layer_graph):
    table = build()
    whole = latency.predict(layer_graph, None, table)
    scores = {g.name: np.arange(g.size, dtype=float) for g in layer_graph.groups}
    from tfcompress import channels

    limit = latency.budget(table, milliseconds=0.6 * whole)
    plan = channels.select(layer_graph, scores, budget=limit)

    found = latency.predict(layer_graph, plan, table)
    assert 0.4 * whole < found <= 0.6 * whole


def test_a_budget_says_what_it_limits(build, layer_graph):
    from tfcompress import channels

    limit = latency.budget(build(), milliseconds=1e-9)
    scores = {g.name: np.arange(g.size, dtype=float) for g in layer_graph.groups}
    with pytest.raises(errors.BudgetError, match="latency_ms <= 1e-09"):
        channels.select(layer_graph, scores, budget=limit)


def test_a_budget_of_no_time_is_refused(build):
    with pytest.raises(errors.ConfigError, match="milliseconds=0"):
        latency.budget(build(), milliseconds=0)
