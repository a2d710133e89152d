"""Tests of `tfcompress.amc.judging`: what is judged, and what judges badly."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.amc.nets import dense_chain, play
from tests.models import conv_bn_net, randomise
from tfcompress import errors, graph
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.channels import Budget


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


class _Outputs:
    """Judges whatever it is called with by the mean of its outputs."""

    takes_functions = True

    def __init__(self, x):
        self.x, self.judged = x, []

    def __call__(self, model):
        self.judged.append(model)
        return float(np.mean(model(self.x)))


@pytest.mark.parametrize("groups", [1, 2])
def test_what_takes_functions_judges_at_the_width_of_the_plan(groups):
    """One function for all plans; a grouped convolution is judged at full shape."""
    x = image = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="one")(x)
    x = keras.layers.Conv2D(16, 3, groups=groups, name="two")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = randomise(keras.Model(image, keras.layers.Dense(3)(x)))
    evaluate = _Outputs(np.random.default_rng(0).normal(size=(4, 12, 12, 3)))
    environment = CompressionEnvironment(
        model, budget=Budget(macs=0.5), evaluate=evaluate, round_to=2
    )
    for action in (0.5, 0.8):
        _, infos = play(environment, [action] * environment.num_decisions)
        smaller, _ = graph.prune_model(model, environment.plan)
        expected = float(np.mean(smaller(evaluate.x)))
        assert infos[-1]["evaluated"].metric == pytest.approx(expected, rel=1e-4)
    assert evaluate.judged[0] is evaluate.judged[1]
    assert isinstance(evaluate.judged[0], keras.Model) == (groups == 2)
