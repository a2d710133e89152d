"""Tests of ``tfcompress latency``."""

from __future__ import annotations

import pytest

from tests.latency.conftest import FakeMeasure
from tfcompress.latency import Table, building


@pytest.fixture
def measure(monkeypatch):
    """Return a machine that is arithmetic, in the host's place."""
    fake = FakeMeasure()
    monkeypatch.setattr(building, "HostMeasure", lambda num_threads: fake)  # noqa: ARG005
    return fake


def test_a_table_is_written_and_found_again(tfcompress, measure, model_file, tmp_path):
    arguments = ("latency", model_file, "-o", tmp_path, "--num-networks", 2)
    answer = tfcompress(*arguments, "--json")

    assert answer.code == 0, answer.err
    table = Table.load(tmp_path / "table.json")
    assert answer.record["operators"] == table.num_points > 0
    assert answer.record["where"] == table.conditions.where == "host"
    assert answer.record["predicted_ms"] > 0
    assert "operators: " in answer.err

    measure.calls.clear()
    again = tfcompress(*arguments)
    assert measure.calls == []
    assert "not a phone" in again.out


def test_a_table_of_another_recipe_is_kept(
    refused, tfcompress, measure, model_file, tmp_path
):
    """Nothing is measured either."""
    tfcompress("latency", model_file, "-o", tmp_path, "--num-networks", 0)
    measure.calls.clear()
    line = refused("latency", model_file, "-o", tmp_path, "--recipe", "int8")

    assert "recipe='float32'; expected recipe='int8'" in line
    assert measure.calls == []
