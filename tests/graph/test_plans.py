"""Tests of `tfcompress.graph.plans`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models import conv_bn_net
from tfcompress import errors
from tfcompress.graph import PruningPlan, trace


@pytest.fixture(scope="module")
def graph():
    return trace(conv_bn_net())


def test_groups_not_named_keep_all(graph):
    plan = PruningPlan.of(graph, {"conv1": [0, 3, 5]})
    assert plan.widths() == {"conv0": 8, "conv1": 3, "conv2": 16}


@pytest.mark.parametrize(
    "keep",
    [[], [3, 1], [1, 1], [-1, 2], [0, 16], [0.0, 1.0], [[0, 1]]],
    ids=["empty", "unsorted", "repeated", "negative", "too large", "floats", "2-D"],
)
def test_invalid_indices_are_refused(graph, keep):
    with pytest.raises(errors.PlanError, match=r"'conv1' are not valid.*0 to 15"):
        PruningPlan.of(graph, {"conv1": keep})


def test_unknown_group_is_refused(graph):
    with pytest.raises(errors.PlanError, match="'conv9'; the model has conv0, conv1"):
        PruningPlan.of(graph, {"conv9": [0]})


def test_save_and_load(graph, tmp_path):
    plan = PruningPlan.of(graph, {"conv1": np.arange(0, 16, 3)})
    plan.save(tmp_path / "plan.json")
    again = PruningPlan.load(tmp_path / "plan.json")
    again.validate(graph)
    assert again.to_dict() == plan.to_dict()


def test_plan_for_another_model_is_refused_by_name(graph):
    other = trace(conv_bn_net(widths=(8, 16, 24)))
    with pytest.raises(errors.PlanError, match="a plan for 'conv_bn_net'"):
        PruningPlan.full(graph).validate(other)


def test_fingerprint_is_of_the_structure_not_of_the_weights(graph):
    assert trace(conv_bn_net(seed=5)).fingerprint == graph.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"keep": {}}', "not a pruning plan"),
        ('{"schema": 9, "keep": {}}', "schema 9; this version reads 1"),
        ('{"schema": 1, "keep": 3, "sizes": {}}', "not a pruning plan"),
    ],
)
def test_files_that_are_no_plans(tmp_path, content, message):
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(errors.PlanError, match=message):
        PruningPlan.load(path)


def test_missing_or_broken_file(tmp_path):
    with pytest.raises(errors.DataError, match="no such file"):
        PruningPlan.load(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"schema": 1')
    with pytest.raises(errors.DataError, match="cannot be read as JSON"):
        PruningPlan.load(tmp_path / "half.json")
