"""Tests of `tfcompress.channels.budgets`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models import conv_bn_net
from tfcompress import errors, graph
from tfcompress.channels import Budget, select
from tfcompress.channels.budgets import Meter


@pytest.fixture(scope="module")
def layer_graph():
    return graph.trace(conv_bn_net())


def test_fractions_are_of_the_whole_model_and_large_numbers_absolute(layer_graph):
    """0.5 of the MACs and 1,000 parameters become two absolute limits."""
    whole = graph.cost(layer_graph)
    meter = Meter(layer_graph, Budget(macs=0.5, params=1000))
    macs, params = meter.readings(graph.PruningPlan.full(layer_graph))
    assert (macs.name, macs.value, macs.limit) == ("macs", whole.macs, whole.macs / 2)
    assert (params.name, params.value, params.limit) == ("params", whole.params, 1000)


def test_the_tightest_limit_decides(layer_graph):
    """The whole model uses a limit of 0.5 twice over."""
    meter = Meter(layer_graph, Budget(macs=0.5, params=0.9))
    assert meter.share(graph.PruningPlan.full(layer_graph)) == pytest.approx(2.0)


def test_bytes_depend_on_the_recipe(layer_graph):
    """float32 weights take about four times what int8 ones do."""
    plan = graph.PruningPlan.full(layer_graph)
    sizes = {
        recipe: Meter(layer_graph, Budget(size_bytes=2, recipe=recipe))
        .readings(plan)[0]
        .value
        for recipe in ("float32", "int8")
    }
    assert 3 < sizes["float32"] / sizes["int8"] <= 4


def test_a_callable_gets_graph_and_plan_and_its_limit_is_absolute(layer_graph):
    """Half a millisecond is not a fraction."""

    def milliseconds(given, plan):
        assert given is layer_graph
        return 0.02 * sum(plan.widths().values())

    budget = Budget(custom=((milliseconds, 0.5),))
    (reading,) = Meter(layer_graph, budget).readings(
        graph.PruningPlan.full(layer_graph)
    )
    assert reading.name == "milliseconds"
    assert reading.limit == 0.5
    scores = {group.name: np.arange(group.size) for group in layer_graph.groups}
    plan = select(layer_graph, scores, budget=budget)
    assert milliseconds(layer_graph, plan) <= 0.5


@pytest.mark.parametrize("limits", [{"macs": 0}, {"params": -1}, {"size_bytes": 0.0}])
def test_a_limit_must_be_above_zero(limits):
    """Nothing fits in nothing; the message names the limit."""
    with pytest.raises(errors.ConfigError, match=next(iter(limits))):
        Budget(**limits)


def test_a_budget_needs_a_limit():
    """An empty budget is a mistake."""
    with pytest.raises(errors.ConfigError, match="at least one limit"):
        Budget()


def test_a_custom_limit_must_be_above_zero():
    """It is named after its function."""

    def latency(_graph, _plan):
        return 1.0

    with pytest.raises(errors.ConfigError, match="latency"):
        Budget(custom=((latency, 0.0),))
