"""Tests of `tfcompress.amc.decisions`: what is decided, in which order and steps."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.amc.nets import Counting, chain, dense_chain, made, play
from tfcompress import errors, graph
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.channels import Budget

L = keras.layers


def test_decisions_come_in_the_order_of_their_first_readers():
    """The first layer of the long branch is made before the shortcut's, read after."""
    image = keras.Input((8, 8, 3))
    late = L.Conv2D(8, 1, name="late")(image)
    early = L.Conv2D(8, 1, name="early")(image)
    x = L.Conv2D(8, 1, name="reads_early")(early)
    y = L.Conv2D(8, 1, name="reads_late")(L.Concatenate()([late, x]))
    model = keras.Model(image, L.Conv2D(2, 1, name="head")(y))
    environment = made(graph.trace(model), Budget(macs=0.5))
    assert [(d.group, d.layer) for d in environment.decisions] == [
        ("early", "reads_early"),
        ("late", "reads_late"),
        ("reads_early", "reads_late"),
        ("reads_late", "head"),
    ]


def test_tied_layers_and_depthwise_followers_decide_once():
    """Two residual members and a depthwise layer between: two groups, two decisions."""
    image = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 1, name="stem")(image)
    y = L.Conv2D(16, 1, name="wide")(x)
    y = L.DepthwiseConv2D(3, padding="same", name="follows")(y)
    x = L.Add()([x, L.Conv2D(8, 1, name="back")(y)])
    model = keras.Model(image, L.Conv2D(2, 1, name="head")(x))
    environment = made(graph.trace(model), Budget(macs=0.5))
    tied, inner = environment.decisions
    assert (tied.group, inner.group) == ("stem", "wide")
    assert tied.touches == {"stem", "wide", "back", "head"}
    assert inner.touches == {"wide", "follows", "back"}


def test_widths_are_whole_blocks_and_no_less_than_the_smallest_ratio():
    """0.3 of 24 is 7.2, so 8; of 40 it is 12, so 16; 20 is no multiple, but all."""
    environment = made(
        dense_chain(24, 40, 20), Budget(macs=0.9), round_to=8, min_ratio=0.3
    )
    assert [d.counts for d in environment.decisions] == [
        (8, 16, 24),
        (16, 24, 32, 40),
        (8, 16, 20),
    ]


def test_no_group_gets_fewer_than_the_smallest_number_of_channels():
    """6 of 8, although a quarter would do."""
    environment = chain(Budget(macs=0.9), min_channels=6)
    assert [d.counts[0] for d in environment.decisions] == [6, 6]


def test_excluded_groups_stay_whole_and_are_not_decided():
    """Nor is one without scores."""
    layer_graph = dense_chain(8, 8, 8, 8)
    scores = {name: np.arange(8.0) for name in "abc"}
    environment = made(layer_graph, Budget(macs=0.9), exclude=["b"], scores=scores)
    assert [d.group for d in environment.decisions] == ["a", "c"]
    play(environment, [0.0, 0.0])
    assert environment.plan.widths() == {"a": 2, "b": 8, "c": 2, "d": 8}


def test_the_best_channels_by_score_are_kept():
    """The highest scores, in the order of the channels."""
    scores = {"a": np.array([5.0, 1, 4, 2, 3, 0, 0, 0]), "b": np.arange(8.0)}
    environment = chain(scores=scores)
    play(environment, [0.375, 0.25])
    assert environment.plan.keep["a"].tolist() == [0, 2, 4]
    assert environment.plan.keep["b"].tolist() == [6, 7]


def test_by_default_the_weights_that_read_a_channel_decide():
    """Channel 3 of `a` is read by large weights, channel 0 by zeros."""
    layer_graph = dense_chain(4, 4)
    kernel = np.ones((4, 4), np.float32) * [[0], [1], [2], [9]]
    layer_graph.model.get_layer("b").kernel.assign(kernel)
    environment = made(layer_graph, None)
    play(environment, [0.5, 1.0])
    assert environment.plan.keep["a"].tolist() == [2, 3]


def test_plans_with_other_channels_are_judged_apart():
    """The key of a plan lists widths only if it keeps the best channels."""
    evaluate = Counting()
    environment = CompressionEnvironment(
        dense_chain(4, 4), budget=None, evaluate=evaluate, round_to=1
    )
    ours = environment.plan_of([0.5, 1.0])
    other = np.setdiff1d(np.arange(4), ours.keep["a"])
    environment.evaluate_plan(ours)
    theirs = graph.PruningPlan.of(environment.graph, {"a": other})
    environment.evaluate_plan(theirs)
    environment.evaluate_plan(theirs)
    assert len(evaluate.models) == 2


@pytest.mark.parametrize(
    ("widths", "names"), [((8,), "with a, of the groups a (8)"), ((), "groups none")]
)
def test_a_model_with_less_than_two_groups_is_sent_to_prune(widths, names):
    """There is nothing to share out between layers."""
    with pytest.raises(errors.ModelError) as caught:
        made(dense_chain(*widths), Budget(macs=0.5))
    assert names in str(caught.value)
    assert "`tfcompress prune`" in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"round_to": 0}, {"min_ratio": 0.0}, {"min_channels": 0}]
)
def test_settings_out_of_range_are_refused(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        chain(**wrong)


def test_an_unknown_name_in_exclude_suggests_the_nearest():
    """A typo must not silently decide about the layer."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'head'"):
        chain(exclude=["heat"])
