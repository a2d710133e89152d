"""Tests of `tfcompress.channels.selection`."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import conv_bn_net
from tfcompress import errors, graph
from tfcompress.channels import Budget, score, select
from tfcompress.channels.budgets import Meter

L = keras.layers


def chain(*widths, size=8):
    """Return the graph of a convolution chain with a head of 4 classes."""
    x = image = keras.Input((size, size, 3))
    for i, width in enumerate(widths):
        x = L.Conv2D(width, 3, padding="same", name=f"c{i}")(x)
    x = L.GlobalAveragePooling2D()(x)
    return graph.trace(keras.Model(image, L.Dense(4, name="head")(x)))


def ramps(layer_graph):
    """Return scores 0, 1, 2, ... in each group."""
    return {group.name: np.arange(float(group.size)) for group in layer_graph.groups}


def share(layer_graph, plan, budget):
    return Meter(layer_graph, budget).share(plan)


MODELS = {
    "chain": chain(24, 40, 64, 64, 96),
    "wide": chain(64, 128, 128),
    "residual": graph.trace(conv_bn_net(widths=(32, 64, 64))),
}


@given(
    name=st.sampled_from(sorted(MODELS)),
    kind=st.sampled_from(["macs", "params", "size_bytes"]),
    fraction=st.floats(0.3, 1.0),
    scope=st.sampled_from(["global", "layer"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_a_plan_meets_its_budget_closely_in_whole_blocks(
    name, kind, fraction, scope, seed
):
    """At most the limit; at least 97 % of it if one more block does not overshoot."""
    layer_graph, budget = MODELS[name], Budget(**{kind: fraction})
    scores = score(layer_graph, criterion="random", seed=seed)
    plan = select(layer_graph, scores, budget=budget, scope=scope)
    used = share(layer_graph, plan, budget)
    assert used <= 1
    for group in layer_graph.groups:
        kept = plan.kept(group.name)
        assert kept >= 8
        assert kept % 8 == 0 or kept == group.size
    if used < 0.97:
        assert_no_block_fits(layer_graph, plan, scores, budget)


def assert_no_block_fits(layer_graph, plan, scores, budget):
    for group in layer_graph.groups:
        best = np.argsort(-scores[group.name], kind="stable")
        more = min(plan.kept(group.name) + 8, group.size)
        if more == plan.kept(group.name):
            continue
        keep = {**plan.keep, group.name: np.sort(best[:more])}
        richer = graph.PruningPlan.of(layer_graph, keep=keep)
        assert share(layer_graph, richer, budget) > 1


@pytest.mark.parametrize("fraction", [0.3, 0.42, 0.55, 0.68, 0.8, 0.93])
def test_the_best_choice_of_blocks_is_not_missed(fraction):
    """Wherever brute force over all counts gets within 3 %, so does `select`."""
    layer_graph, budget = MODELS["wide"], Budget(macs=fraction)
    scores = score(layer_graph, criterion="random", seed=1)
    shares = []
    for counts in itertools.product(
        *(range(8, g.size + 1, 8) for g in layer_graph.groups)
    ):
        keep = {
            g.name: np.arange(n)
            for g, n in zip(layer_graph.groups, counts, strict=True)
        }
        plan = graph.PruningPlan.of(layer_graph, keep=keep)
        shares.append(share(layer_graph, plan, budget))
    assert max(s for s in shares if s <= 1) >= 0.97
    assert (
        share(layer_graph, select(layer_graph, scores, budget=budget), budget) >= 0.97
    )


def test_swaps_fill_a_budget_that_single_blocks_cannot():
    """From 16 + 64: no single block fits under the limit, a trade does."""
    layer_graph = chain(64, 64, 64, size=16)
    budget = Budget(macs=0.475)
    scores = {"c0": np.linspace(9, 10, 64), "c1": np.linspace(1, 2, 64)}
    scores["c2"] = np.linspace(5, 6, 64)
    plan = select(layer_graph, scores, budget=budget)
    assert 0.97 <= share(layer_graph, plan, budget) <= 1


def test_global_scope_removes_the_lowest_scores_of_all_groups():
    """c1 has only low scores, so it shrinks to its floor before c0 loses a channel."""
    layer_graph = chain(32, 32)
    scores = {"c0": np.linspace(10, 20, 32), "c1": np.linspace(0, 1, 32)}
    floor = graph.PruningPlan.of(layer_graph, keep={"c1": np.arange(8)})
    limit = graph.cost(layer_graph, floor).macs
    plan = select(layer_graph, scores, budget=Budget(macs=limit))
    assert plan.widths() == {"c0": 32, "c1": 8}
    assert plan.keep["c1"].tolist() == list(range(24, 32))


def test_layer_scope_removes_the_same_fraction_everywhere():
    """The same scores as above: both groups keep about the same share."""
    layer_graph = chain(64, 64)
    scores = {"c0": np.linspace(10, 20, 64), "c1": np.linspace(0, 1, 64)}
    plan = select(layer_graph, scores, budget=Budget(macs=0.5), scope="layer")
    widths = plan.widths()
    assert abs(widths["c0"] - widths["c1"]) <= 8


def test_a_budget_of_everything_keeps_everything():
    """Nothing is removed that need not be, odd sizes included."""
    layer_graph = chain(20, 30)
    plan = select(layer_graph, ramps(layer_graph), budget=Budget(macs=1.0))
    assert plan.widths() == {"c0": 20, "c1": 30}


def test_single_channels_reach_the_budget_within_a_percent():
    """Without blocks the granularity is one channel."""
    layer_graph, budget = MODELS["chain"], Budget(params=0.37)
    scores = score(layer_graph, criterion="random", seed=5)
    plan = select(layer_graph, scores, budget=budget, round_to=1, min_channels=1)
    assert 0.99 <= share(layer_graph, plan, budget) <= 1


def test_equal_scores_do_not_stop_the_search_at_a_jump():
    """All scales exactly zero: ties are cut anywhere, and the budget is still met."""
    layer_graph, budget = MODELS["wide"], Budget(macs=0.6)
    scores = {group.name: np.zeros(group.size) for group in layer_graph.groups}
    plan = select(layer_graph, scores, budget=budget)
    assert 0.97 <= share(layer_graph, plan, budget) <= 1


def test_several_limits_hold_together():
    """MACs and parameters pull at different layers; both limits hold."""
    layer_graph = MODELS["chain"]
    plan = select(
        layer_graph,
        score(layer_graph, criterion="random"),
        budget=Budget(macs=0.6, params=0.4, size_bytes=0.5),
    )
    whole, cost = graph.cost(layer_graph), graph.cost(layer_graph, plan)
    assert cost.macs <= 0.6 * whole.macs
    assert cost.params <= 0.4 * whole.params


@pytest.mark.parametrize("name", ["c1", "head"])
def test_excluded_layers_stay_whole(name):
    """By the name of a layer; one that is whole anyway may be named too."""
    layer_graph = chain(32, 32)
    plan = select(
        layer_graph, ramps(layer_graph), budget=Budget(macs=0.5), exclude=[name]
    )
    assert plan.widths().get(name, 32) == 32


def test_the_norm_of_a_group_names_it_too():
    """People know the layer that they see."""
    layer_graph = MODELS["residual"]
    scores = score(layer_graph, criterion="l1_norm")
    plan = select(layer_graph, scores, budget=Budget(macs=0.7), exclude=["bn1"])
    assert plan.kept("conv1") == 64


def test_groups_without_scores_stay_whole():
    """A criterion may have nothing to say about a group."""
    layer_graph = chain(32, 32)
    plan = select(layer_graph, {"c0": np.arange(32.0)}, budget=Budget(macs=0.6))
    assert plan.widths()["c1"] == 32


def test_an_unknown_name_in_exclude_suggests_the_nearest():
    """A typo must not silently prune the layer."""
    layer_graph = chain(32, 32)
    with pytest.raises(errors.ConfigError, match="Did you mean 'head'"):
        select(
            layer_graph, ramps(layer_graph), budget=Budget(macs=0.5), exclude=["heat"]
        )


def test_an_impossible_budget_says_what_is_possible_and_why():
    """The smallest cost, the pinned layer with its reason, and the excluded one."""
    layer_graph = chain(32, 32)
    floor = graph.PruningPlan.of(layer_graph, keep={"c0": np.arange(24, 32)})
    least = f"{graph.cost(layer_graph, floor).macs:,.6g}"
    with pytest.raises(errors.BudgetError) as caught:
        select(
            layer_graph, ramps(layer_graph), budget=Budget(macs=0.01), exclude=["c1"]
        )
    message = str(caught.value)
    assert f"macs = {least}" in message
    assert "head (model output)" in message
    assert "c1 (excluded or not scored)" in message


@pytest.mark.parametrize(
    "wrong", [{"round_to": 0}, {"min_channels": 0}, {"scope": "model"}]
)
def test_settings_out_of_range_are_refused(wrong):
    """The message names the setting."""
    layer_graph = chain(16)
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        select(layer_graph, ramps(layer_graph), budget=Budget(macs=0.5), **wrong)


def test_the_same_scores_give_the_same_plan():
    """Nothing is drawn at random."""
    layer_graph = MODELS["residual"]
    scores = score(layer_graph, criterion="random")
    plans = [select(layer_graph, scores, budget=Budget(macs=0.5)) for _ in range(2)]
    assert plans[0].to_dict() == plans[1].to_dict()


def test_a_search_asks_for_few_costs():
    """A latency may take a millisecond each time: a hundred or so are affordable."""
    calls = 0

    def counted(layer_graph, plan):
        nonlocal calls
        calls += 1
        return graph.cost(layer_graph, plan).macs

    layer_graph = MODELS["chain"]
    limit = 0.5 * graph.cost(layer_graph).macs
    scores = score(layer_graph, criterion="random")
    select(layer_graph, scores, budget=Budget(custom=((counted, limit),)))
    assert calls < 120
