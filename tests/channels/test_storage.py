"""Tests of how features are kept: Gram matrices, rows, memory maps, the limit."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import randomise
from tfcompress import errors, graph
from tfcompress.channels import Reconstructor
from tfcompress.channels.repairs import Solution, SolutionCache

L = keras.layers


def wide_net():
    """A head that reads 4 · 4 · 32 = 512 columns, and a convolution that reads 12."""
    x = keras.Input((4, 4, 3))
    y = L.Conv2D(12, 1, activation="relu", name="first")(x)
    y = L.Conv2D(32, 1, activation="relu", name="second")(y)
    return randomise(keras.Model(x, L.Dense(3, name="head")(L.Flatten()(y))))


def images(count=200, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 4, 4, 3)).astype("float32")


@pytest.fixture(scope="module")
def layer_graph():
    return graph.trace(wide_net())


@pytest.fixture(scope="module")
def plan(layer_graph):
    keep = {"first": np.arange(0, 12, 2), "second": np.arange(0, 32, 2)}
    return graph.PruningPlan.of(layer_graph, keep)


MB = 2**20


def test_memory_is_told_and_bounded(layer_graph):
    """512² doubles are 2 MB; with what is solved the whole stays within the limit."""
    reconstructor = Reconstructor(layer_graph, images(), max_memory_mb=4)
    assert reconstructor.notes == ()
    before = reconstructor.memory_bytes
    assert 2 * MB < before < 3 * MB
    for seed in range(50):
        keep = np.sort(np.random.default_rng(seed).choice(32, 16, replace=False))
        reconstructor.weights(graph.PruningPlan.of(layer_graph, {"second": keep}))
    assert before < reconstructor.memory_bytes < 4 * MB


def test_few_rows_of_many_columns_are_kept_as_rows(layer_graph):
    """100 rows <= 512 / 4; a Gram matrix would take ten times as much."""
    rows = Reconstructor(layer_graph, images(100))
    assert rows.memory_bytes < 0.5 * MB
    gram = Reconstructor(layer_graph, images(129))  # 129 > 512 / 4
    assert gram.memory_bytes > 2 * MB
    assert rows.notes == gram.notes == ()
    assert gram.memory_bytes == Reconstructor(layer_graph, images(200)).memory_bytes


@pytest.mark.parametrize("ridge", [1e-6, 1e-2])
def test_rows_and_gram_matrix_give_the_same_answer(
    layer_graph, plan, ridge, monkeypatch
):
    """The same 100 images, kept in both ways."""
    one = Reconstructor(layer_graph, images(100), ridge=ridge).weights(plan)
    monkeypatch.setattr("tfcompress.channels.storage.ROWS_SHARE", 0.0)
    other = Reconstructor(layer_graph, images(100), ridge=ridge)
    assert other.memory_bytes > 2 * MB
    for key, value in other.weights(plan).items():
        np.testing.assert_allclose(value, one[key], rtol=1e-3, atol=1e-4)


def test_what_does_not_fit_spills_to_a_file_that_goes_away(layer_graph, plan, tmp_path):
    """The same weights as in memory, and nothing is left in the folder."""
    inside = Reconstructor(layer_graph, images())
    spilled = Reconstructor(
        layer_graph, images(), max_memory_mb=2.7, spill_dir=tmp_path / "new"
    )
    assert spilled.spilled_bytes == 512**2 * 8
    assert spilled.memory_bytes < 0.5 * MB
    assert "head: its Gram matrix of 2 MB is in a memory map" in spilled.notes
    wanted = inside.weights(plan)
    for key, value in spilled.weights(plan).items():
        np.testing.assert_array_equal(value, wanted[key])
    assert list((tmp_path / "new").iterdir()) == []


def test_without_a_folder_a_wide_layer_is_fitted_on_fewer_rows(layer_graph, plan):
    """The rows that fit are a sample, named in the notes; the repair still helps."""
    reconstructor = Reconstructor(layer_graph, images(), max_memory_mb=0.4)
    (note,) = reconstructor.notes
    assert note.startswith("head: fitted on ")
    assert "of 200 sampled rows" in note
    assert reconstructor.memory_bytes < 0.4 * MB
    weights = reconstructor.weights(plan)
    columns = np.tile(np.arange(32) % 2 == 0, 16)
    assert np.all(weights["head", "kernel"][~columns] == 0)
    assert np.all(weights["head", "kernel"][columns] != 0)


def test_a_layer_too_wide_even_for_that_is_left_out(layer_graph, plan):
    """It stays masked and folded, and the notes say so."""
    reconstructor = Reconstructor(layer_graph, images(), max_memory_mb=0.05)
    assert (
        "head: left masked and folded: 512 columns do not fit"
        in (reconstructor.notes[0])
    )
    assert {name for name, _ in reconstructor.weights(plan)} == {"second"}


def test_a_folder_that_cannot_be_written_is_refused(layer_graph, tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(errors.OutputError, match="spill_dir="):
        Reconstructor(
            layer_graph, images(), max_memory_mb=2.7, spill_dir=tmp_path / "taken"
        )


def test_the_same_channels_are_solved_once(layer_graph, plan):
    """The second time the very same array comes back; other channels are solved."""
    reconstructor = Reconstructor(layer_graph, images())
    first = reconstructor.weights(plan)["head", "kernel"]
    assert reconstructor.weights(plan)["head", "kernel"] is first
    other = graph.PruningPlan.of(layer_graph, {"second": [0, 1]})
    assert reconstructor.weights(other)["head", "kernel"] is not first


def test_the_cache_forgets_the_oldest():
    """Three of 80 bytes in 160: the one used longest ago goes."""
    cache = SolutionCache(160)
    one, two, three = (Solution(np.zeros(8), np.zeros(2)) for _ in range(3))
    cache.put("one", one)
    cache.put("two", two)
    assert cache.get("one") is one
    cache.put("three", three)
    assert (cache.get("one"), cache.get("two"), cache.get("three")) == (
        one,
        None,
        three,
    )
    assert cache.nbytes == 160
    assert len(cache) == 2


def test_the_seed_decides_the_positions():
    """The same seed gives the same weights, another one others."""
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(8, 3, activation="relu", name="made")(x)
    y = L.Conv2D(4, 3, name="reader")(y)
    model = randomise(keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y))))
    layer_graph = graph.trace(model)
    plan = graph.PruningPlan.of(layer_graph, {"made": [0, 1, 2]})
    batch = np.random.default_rng(0).normal(size=(50, 8, 8, 3))
    found = [
        Reconstructor(layer_graph, batch, positions=3, seed=seed).weights(plan)
        for seed in (0, 0, 1)
    ]
    key = ("reader", "kernel")
    np.testing.assert_array_equal(found[0][key], found[1][key])
    assert np.any(found[0][key] != found[2][key])
