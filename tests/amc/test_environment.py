"""Tests of `tfcompress.amc.environment`: budgets, observations, what is reported."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.amc.nets import Judged, dense_chain, play
from tests.models import conv_bn_net, randomise
from tfcompress import errors, graph
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.rewards import macs_reward
from tfcompress.channels import Budget, budgets

L = keras.layers


def made(layer_graph, budget, **settings):
    """Return an environment that never judges."""
    values = {"round_to": 1, "known": Judged(), **settings}
    return CompressionEnvironment(
        layer_graph, budget=budget, evaluate=lambda _: 0.5, **values
    )


def chain(budget=None, **settings):
    """Return the environment of 10 -> a 8 -> b 8 -> 2: 10 a + a b + 2 b MACs."""
    return made(
        dense_chain(8, 8), budget or Budget(macs=0.5), **{"min_ratio": 0.25, **settings}
    )


def uneven(layer_graph, plan):
    """Return a cost that is lower for some wider layers: 50 for each odd width."""
    odd = sum(width % 2 for width in plan.widths().values())
    return graph.cost(layer_graph, plan).params + 50 * odd


def test_the_bounds_are_those_worked_out_by_hand():
    """The whole costs 80 + 64 + 16 = 160 MACs, so 80 are left.

    a: with b at its floor 2, 12 a + 4 <= 80, so a <= 6. b: 60 + 8 b <= 80, so b <= 2.
    """
    environment = chain()
    _, (first, second) = play(environment, [1.0, 1.0])
    assert (first["executed"], first["bound"], first["bounded"]) == (0.75, 0.75, True)
    assert (second["executed"], second["channels"]) == (0.25, 2)
    assert second["cost"]["macs"] == 76
    assert environment.plan.widths() == {"a": 6, "b": 2}


def test_what_fits_is_executed_as_asked():
    """a = 4 and b = 5 cost 40 + 20 + 10 = 70; the bound of b is 6 (76 MACs)."""
    _, (first, second) = play(chain(), [0.5, 0.6])
    assert (first["executed"], first["bounded"]) == (0.5, False)
    assert (second["executed"], second["bound"]) == (0.625, 0.75)
    assert second["action"] == 0.6


def test_the_cost_so_far_counts_later_groups_whole():
    """After a = 4: 40 + 32 + 16 = 88 MACs, as many weights, and b still has 8."""
    environment = chain()
    environment.reset()
    environment.step(0.5)
    assert environment.info["cost"]["macs"] == 88
    assert environment.info["cost"]["params"] == 88


def test_observations_are_those_worked_out_by_hand():
    """t, n, c, h, w, stride, k, cost | reduced, rest, a[t-1].

    n: b has 8 outputs, the head 2. Cost: a runs through layers a and b, 144 MACs; b
    through b and the head, 80. Everything else is the same for both. Before the first
    decision layers b and head, 80 of 160, are still touched later. After a = 4, 88 MACs
    are left: 72 / 160 = 0.45 gone, and nothing comes later.
    """
    steps, _ = play(chain(), [0.5, 0.25])
    first, second, last = (step.observation for step in steps)
    assert first.tolist() == [0, 1, 0, 0, 0, 0, 0, 1, 0, 0.5, 1]
    assert second.tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0, 0.45, 0, 0.5])
    # b = 2: 40 + 8 + 4 = 52 MACs are left.
    assert last.tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0, 0.675, 0, 0.25])


def test_convolutions_show_their_input_size_stride_and_window():
    """conv0 is read by conv1: 12 x 12 x 8 in, 16 out, stride 2, 3 x 3; the tied group
    of conv1 and res_conv first by res_conv: 6 x 6 x 16 in, stride 1."""
    layer_graph = graph.trace(conv_bn_net(widths=(8, 16)))
    environment = made(layer_graph, Budget(macs=0.9))
    decisions = environment.decisions
    assert [d.layer for d in decisions] == ["conv1", "res_conv"]
    first, second = (step.observation for step in play(environment, [1, 1])[0][:2])
    assert first[:7].tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert second[:7].tolist() == [1, 0, 1, 0, 0, 0, 0]


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


KINDS = {
    "macs": lambda part, _: Budget(macs=part),
    "params": lambda part, _: Budget(params=part),
    "size_bytes": lambda part, _: Budget(size_bytes=part),
    "together": lambda part, _: Budget(macs=part, params=part, size_bytes=part),
    "custom": lambda part, whole: Budget(custom=((uneven, part * whole),)),
    "mixed": lambda part, whole: Budget(macs=part, custom=((uneven, whole),)),
}


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(
    strategies.models(),
    st.floats(0.35, 1.0),
    st.sampled_from([1, 2]),
    st.integers(0, 2**16),
)
def test_every_plan_meets_its_budget_whatever_the_actions(model, part, round_to, seed):
    """Property: all zeros, all ones, and random actions, for every kind of cost."""
    layer_graph = graph.trace(model)
    rng = np.random.default_rng(seed)
    whole = uneven(layer_graph, graph.PruningPlan.full(layer_graph))
    for budget in (make(part, whole) for make in KINDS.values()):
        try:
            environment = made(layer_graph, budget, round_to=round_to)
        except (errors.BudgetError, errors.ModelError):
            continue
        count = environment.num_decisions
        for actions in ([0.0] * count, [1.0] * count, *rng.random((2, count))):
            check_episode(environment, layer_graph, budget, actions)


def check_episode(environment, layer_graph, budget, actions):
    steps, infos = play(environment, actions)
    plan = environment.plan
    for reading in budgets.Meter(layer_graph, budget).readings(plan):
        assert reading.value <= reading.limit
    assert environment.plan_of(list(actions)).widths() == plan.widths()
    for step in steps:
        environment.observation_spec().validate(step.observation)
        assert step.observation[8] + step.observation[9] <= 1 + 1e-6
    assert [step.reward for step in steps[1:-1]] == [0.0] * (len(steps) - 2)
    assert [step.discount for step in steps[1:]] == [1.0] * (len(steps) - 2) + [0.0]
    widths = plan.widths()
    for info, decision in zip(infos, environment.decisions, strict=True):
        assert info["channels"] == widths[decision.group]
        assert info["executed"] == widths[decision.group] / decision.size
        assert widths[decision.group] in decision.counts
    assert infos[-1]["actions"] == tuple(info["executed"] for info in infos)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(strategies.models())
def test_a_budget_of_everything_lets_all_ones_keep_everything(model):
    """Property: no channel goes that need not."""
    layer_graph = graph.trace(model)
    for budget in (Budget(macs=1.0, params=1.0, size_bytes=1.0), None):
        try:
            environment = made(layer_graph, budget)
        except errors.ModelError:
            return
        play(environment, [1.0] * environment.num_decisions)
        assert environment.plan.widths() == graph.PruningPlan.full(layer_graph).widths()


def test_the_pruned_model_itself_meets_the_budget():
    """Built and counted by Keras, not by the cost model."""
    layer_graph = graph.trace(randomise(conv_bn_net(widths=(16, 32, 32))))
    environment = made(layer_graph, Budget(params=0.4), round_to=4)
    play(environment, [1.0] * environment.num_decisions)
    smaller, _ = graph.prune_model(layer_graph, environment.plan)
    assert smaller.count_params() <= 0.4 * layer_graph.model.count_params()


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


class Counting:
    """Judges by the sum of the weights, and counts how often."""

    def __init__(self):
        self.models = []

    def __call__(self, model):
        self.models.append(model)
        return sum(float(np.abs(w).sum()) for w in model.get_weights()) / 1000


def test_each_distinct_plan_is_judged_once_on_one_model():
    """Two actions that round to one plan are one plan."""
    evaluate = Counting()
    environment = chain(known={}, reward=lambda e: e.metric)
    environment = CompressionEnvironment(
        environment.graph,
        budget=Budget(macs=0.5),
        evaluate=evaluate,
        round_to=1,
        min_ratio=0.25,
    )
    rewards, cached = [], []
    for actions in ([0.5, 0.5], [0.51, 0.49], [0.25, 1.0], [0.5, 0.5]):
        steps, infos = play(environment, actions)
        rewards.append(steps[-1].reward)
        cached.append(infos[-1]["cached"])
    assert cached == [False, True, False, True]
    assert len(evaluate.models) == 2
    assert all(model is environment.model for model in evaluate.models)
    assert rewards[0] == rewards[1] == rewards[3] != rewards[2]


def test_the_judged_model_computes_what_the_pruned_one_does():
    """Folded constants included; the original is left as it was."""
    model = randomise(conv_bn_net(widths=(8, 16)))
    before = model.get_weights()
    x = np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype("float32")
    seen = []
    environment = CompressionEnvironment(
        model,
        budget=Budget(macs=0.5),
        evaluate=lambda m: seen.append(np.asarray(m(x))) or 0.5,
        round_to=2,
    )
    play(environment, [0.6] * environment.num_decisions)
    smaller, _ = graph.prune_model(model, environment.plan)
    np.testing.assert_allclose(seen[0], np.asarray(smaller(x)), rtol=2e-3, atol=2e-4)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_compiled_model_is_judged_compiled():
    """So that `evaluate` may call `model.evaluate`."""
    model = conv_bn_net(widths=(8, 16))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.zeros((4, 12, 12, 3), "float32"), np.zeros(4, int)
    environment = CompressionEnvironment(
        model,
        budget=Budget(macs=0.5),
        evaluate=lambda m: m.evaluate(x, y, verbose=0)[1],
        round_to=4,
    )
    _, infos = play(environment, [0.5] * environment.num_decisions)
    assert infos[-1]["evaluated"].metric in (0.0, 1.0)


def test_repaired_weights_are_what_is_judged():
    """`repair` gets the finished plan; its kernel of the head is used as it is."""
    layer_graph = dense_chain(4, 4)
    kernel = np.full((4, 2), 7.0, np.float32)
    plans = []

    def repair(plan):
        plans.append(plan)
        return {("head", "kernel"): kernel}

    environment = CompressionEnvironment(
        layer_graph,
        budget=None,
        evaluate=lambda m: float(m.get_layer("head").kernel.numpy()[0, 0]),
        repair=repair,
        round_to=1,
    )
    _, infos = play(environment, [0.5, 0.5])
    assert infos[-1]["evaluated"].metric == 7.0
    assert [plan.widths() for plan in plans] == [environment.plan.widths()]


def test_the_reward_is_that_of_the_record():
    """-(1 - 0.5) ln(76)."""
    environment = CompressionEnvironment(
        dense_chain(8, 8),
        budget=Budget(macs=0.5),
        evaluate=lambda _: 0.5,
        reward=macs_reward,
        round_to=1,
        min_ratio=0.25,
    )
    steps, infos = play(environment, [1.0, 1.0])
    assert steps[-1].reward == pytest.approx(-0.5 * np.log(76))
    assert infos[-1]["evaluated"].macs == 76
    assert infos[-1]["key"] == "6,2"


def test_the_direction_of_the_metric_comes_from_what_evaluates():
    """A held-out loss says of itself that lower is better."""

    class Loss:
        higher_is_better = False

        def __call__(self, _):
            return 0.25

    environment = CompressionEnvironment(
        dense_chain(8, 8), budget=None, evaluate=Loss(), round_to=1
    )
    steps, _ = play(environment, [1.0, 1.0])
    assert steps[-1].reward == -0.25


def test_custom_costs_are_reported_by_name():
    """In `info` at every step, and in the record."""
    environment = CompressionEnvironment(
        dense_chain(8, 8),
        budget=Budget(custom=((uneven, 120.0),)),
        evaluate=lambda _: 0.5,
        round_to=1,
    )
    _, infos = play(environment, [1.0, 1.0])
    evaluated = infos[-1]["evaluated"]
    assert evaluated.custom == (infos[-1]["cost"]["uneven"],)
    assert evaluated.custom[0] <= 120


def test_a_cost_that_wanders_is_corrected_at_the_end():
    """From its 6th reading on, everything measures 20 % more; the plan still fits."""
    readings = []

    def measured(layer_graph, plan):
        readings.append(plan)
        factor = 1.2 if len(readings) > 6 else 1.0
        return factor * graph.cost(layer_graph, plan).macs

    environment = chain(Budget(custom=((measured, 80.0),)))
    play(environment, [1.0, 1.0])
    assert measured(environment.graph, environment.plan) <= 80


def test_an_action_outside_an_episode_starts_one():
    """As `dm_env` says: before the first reset and after the last step."""
    environment = chain()
    assert environment.step(0.5).first()
    environment.step(0.5)
    assert environment.step(0.5).last()
    assert environment.step(0.5).first()


def test_the_specs_describe_what_comes():
    """Every part of every time step conforms."""
    environment = chain()
    spec = environment.time_step_spec()
    assert (environment.action_spec().minimum, environment.action_spec().maximum) == (
        0.25,
        1.0,
    )
    for step in play(environment, [0.1, np.array([0.9], np.float32)])[0]:
        spec.step_type.validate(np.int64(step.step_type))
        spec.observation.validate(step.observation)
        if not step.first():
            spec.reward.validate(float(step.reward))
            spec.discount.validate(float(step.discount))


def test_the_plan_before_the_end_is_refused():
    """It says how far the episode is."""
    environment = chain()
    environment.reset()
    environment.step(0.5)
    with pytest.raises(errors.PlanError, match="1 of 2 decisions"):
        _ = environment.plan


@pytest.mark.parametrize("action", [float("nan"), "much", [0.5, 0.5], None])
def test_an_action_that_is_no_number_is_refused(action):
    """NaN comes from an agent that diverged."""
    environment = chain()
    environment.reset()
    with pytest.raises(ValueError, match="one finite number"):
        environment.step(action)


def test_a_plan_of_too_few_ratios_is_refused():
    """The message lists the groups."""
    with pytest.raises(ValueError, match="expected 2, in the order of a, b"):
        chain().plan_of([0.5])


def test_a_plan_of_another_model_is_refused():
    """By the plan's own check."""
    other = graph.PruningPlan.full(dense_chain(4, 4))
    with pytest.raises(errors.PlanError, match="another model"):
        chain().evaluate_plan(other)


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


def test_a_budget_below_the_floor_is_refused_with_what_can_be_reached():
    """The floors of 2 and 2 cost 20 + 4 + 4 = 28 MACs."""
    with pytest.raises(errors.BudgetError) as caught:
        chain(Budget(macs=27))
    message = str(caught.value)
    assert "macs <= 27; the smallest that can be reached is macs = 28" in message
    assert "`min_ratio`" in message
    assert "\n" not in message


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


def failing(_):
    raise RuntimeError("disk on fire\nand more")


@pytest.mark.parametrize(
    ("evaluate", "message"),
    [
        (lambda _: float("nan"), "is not finite. Received: nan"),
        (lambda _: [0.5, 0.9], "must return one number. Received: list"),
        (lambda _: None, "must return one number. Received: NoneType"),
        (lambda _: True, "must return one number. Received: bool"),
        (lambda _: "0.5", "must return one number. Received: str"),
        (failing, "`evaluate` (failing) raised RuntimeError: disk on fire."),
    ],
)
def test_what_evaluates_badly_is_told_in_one_line(evaluate, message):
    """Chained to the cause, and the next episode starts anew."""
    environment = CompressionEnvironment(
        dense_chain(4, 4), budget=None, evaluate=evaluate, round_to=1
    )
    environment.reset()
    environment.step(0.5)
    with pytest.raises(errors.ModelError) as caught:
        environment.step(0.5)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    if evaluate is failing:
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert environment.step(0.5).first()


def test_the_toolkits_own_errors_pass_as_they_are():
    """They are one clear line already."""

    def evaluate(_):
        raise errors.DataError("The data set is gone.")

    environment = CompressionEnvironment(
        dense_chain(4, 4), budget=None, evaluate=evaluate, round_to=1
    )
    environment.reset()
    environment.step(0.5)
    with pytest.raises(errors.DataError, match="is gone"):
        environment.step(0.5)


def test_a_number_may_come_as_a_tensor():
    """Of no dimensions, as metrics are."""
    environment = CompressionEnvironment(
        dense_chain(4, 4),
        budget=None,
        evaluate=lambda _: keras.ops.convert_to_tensor(0.25),
        round_to=1,
    )
    _, infos = play(environment, [1.0, 1.0])
    assert infos[-1]["evaluated"].metric == 0.25
