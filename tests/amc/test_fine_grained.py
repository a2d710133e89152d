"""Tests of `tfcompress.amc.fine_grained` and what judges its plans."""

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
from tfcompress.amc.fine_grained import SparsityEnvironment
from tfcompress.amc.layer_regression import LayerRegression
from tfcompress.amc.rewards import params_reward
from tfcompress.channels import Budget

L = keras.layers


def chain(budget=0.5, **settings):
    """Return the environment of 10 -> a 8 -> b 8 -> head 2: 80, 64 and 16 weights."""
    values = {"evaluate": lambda _: 0.5, **settings}
    return SparsityEnvironment(dense_chain(8, 8), budget=budget, **values)


def zeros(model):
    """Count the zeros in each kernel of a model."""
    return {
        layer.name: int(np.sum(layer.kernel.numpy() == 0))
        for layer in model.layers
        if hasattr(layer, "kernel")
    }


def test_an_episode_is_worked_out_by_hand():
    """80 of 160 go; at most 0.98: 78, 62, 15 by layer.

    a asks for 0.25: 20, and owes 80 - 62 - 15 = 3. b asks for nothing and owes
    80 - 20 - 15 = 45. The head owes 80 - 65 = 15.
    """
    environment = chain(known=Judged())
    _, infos = play(environment, [0.25, 0.0, 0.5])
    assert [info["zeros"] for info in infos] == [20, 45, 15]
    assert [info["executed"] for info in infos] == [0.25, 45 / 64, 15 / 16]
    assert [info["bound"] for info in infos] == [3 / 80, 45 / 64, 15 / 16]
    assert [info["bounded"] for info in infos] == [False, True, True]
    assert infos[0]["cost"]["params"] == 140
    assert environment.sparsities == {"a": 0.25, "b": 45 / 64, "head": 15 / 16}


def test_observations_are_those_worked_out_by_hand():
    """t, n, c, h, w, stride, k, weights | reduced, rest, a[t-1].

    n = 8, 8, 2; c = 10, 8, 8; weights 80, 64, 16, scaled to 1, 0.75, 0. Later layers
    have 80, 16, 0 of the 160 weights.
    """
    steps, _ = play(chain(known=Judged()), [0.25, 0.0, 0.5])
    rows = [step.observation.tolist() for step in steps]
    assert rows[0] == [0, 1, 1, 0, 0, 0, 0, 1, 0, 0.5, 0]
    assert rows[1] == pytest.approx([0.5, 1, 0, 0, 0, 0, 0, 0.75, 0.125, 0.1, 0.25])
    assert rows[2] == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0, 65 / 160, 0, 45 / 64])
    assert rows[3] == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0, 0.5, 0, 15 / 16])


def test_convolutions_and_dense_layers_have_their_own_largest_sparsity():
    """0.8 and 0.98 of the weights; depthwise counts as a convolution."""
    image = keras.Input((8, 8, 4))
    x = L.Conv2D(4, 3, name="conv")(image)  # 144 weights
    x = L.DepthwiseConv2D(3, name="depthwise")(x)  # 36
    x = L.SeparableConv2D(6, 3, name="separable")(x)  # 36 + 24
    x = L.Dense(10, name="dense")(L.GlobalAveragePooling2D()(x))  # 60
    environment = SparsityEnvironment(
        keras.Model(image, x), budget=None, evaluate=lambda _: 0.5
    )
    assert [(d.layer, d.size, d.most) for d in environment.decisions] == [
        ("conv", 144, 115),
        ("depthwise", 36, 28),
        ("separable", 60, 48),
        ("dense", 60, 58),
    ]
    assert environment.decisions[2].variables == ("depthwise_kernel",
                                                  "pointwise_kernel")  # fmt: skip
    assert environment.action_spec().maximum == pytest.approx(58 / 60)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(strategies.models(), st.floats(0.25, 1.0), st.integers(0, 2**16))
def test_every_plan_meets_its_budget_whatever_the_actions(model, budget, seed):
    """Property: the weights that stay are counted, not estimated."""
    layer_graph = graph.trace(model)
    environment = SparsityEnvironment(
        layer_graph, budget=budget, evaluate=lambda _: 0.5, known=Judged()
    )
    count = environment.num_decisions
    total = sum(entry.size for entry in environment.decisions)
    random = np.random.default_rng(seed).random(count)
    for actions in ([0.0] * count, [1.0] * count, random):
        steps, infos = play(environment, actions)
        assert total - sum(info["zeros"] for info in infos) <= budget * total
        assert environment.plan_of(list(actions)) == environment.sparsities
        for step in steps:
            environment.observation_spec().validate(step.observation)
            assert step.observation[8] + step.observation[9] <= 1 + 1e-6


def test_the_smallest_weights_become_zero_in_what_is_judged():
    """Exactly so many; the original and the next candidate have none."""
    layer_graph = dense_chain(8, 8)
    before = layer_graph.model.get_weights()
    judged = []

    def evaluate(model):
        judged.append({d.name: d.kernel.numpy() for d in model.layers[1:]})
        return 0.5

    environment = SparsityEnvironment(layer_graph, budget=None, evaluate=evaluate)
    environment.evaluate_plan({"a": 0.5, "head": 0.25})
    environment.evaluate_plan({})
    kernel, found = before[0], judged[0]["a"]
    assert np.sum(found == 0) == 40
    assert np.abs(found[found != 0]).min() >= np.abs(kernel[found == 0]).max()
    np.testing.assert_array_equal(found[found != 0], kernel[found != 0])
    assert np.sum(judged[0]["head"] == 0) == 4
    np.testing.assert_array_equal(judged[0]["b"], before[1])
    np.testing.assert_array_equal(judged[1]["a"], kernel)
    np.testing.assert_array_equal(layer_graph.model.get_weights()[0], kernel)


def test_each_distinct_plan_is_judged_once():
    """0.5 and 0.501 of 80 weights are 40."""
    judged = []
    environment = chain(
        budget=None, evaluate=lambda model: judged.append(model) or 0.75
    )
    for first in (0.5, 0.501, 0.25):
        play(environment, [first, 0.0, 0.0])
    assert len(judged) == 2
    assert all(model is environment.model for model in judged)
    assert environment.info["cached"] is False


def test_the_reward_counts_the_weights_that_stay():
    """160 - 80 = 80: -0.5 ln(80)."""
    steps, infos = play(chain(reward=params_reward), [0.5, 0.625, 0.0])
    assert infos[-1]["evaluated"].params == 80
    assert steps[-1].reward == pytest.approx(-0.5 * np.log(80))


def test_bytes_count_no_zeros_and_macs_stay():
    """A byte each at int8; MACs are those of a dense network."""
    layer_graph = dense_chain(8, 8)
    _, infos = play(chain(known=Judged()), [0.5, 0.625, 0.0])
    whole = graph.cost(layer_graph, recipe="int8")
    assert infos[-1]["cost"]["size_bytes"] == whole.size_bytes - 80
    assert infos[-1]["cost"]["macs"] == whole.macs


def test_regression_brings_the_output_nearer():
    """At the same zeros, on inputs that it has not seen; every zero stays."""
    model = randomise(conv_bn_net(widths=(8, 16), logits=True))
    layer_graph = graph.trace(model)
    rng = np.random.default_rng(0)
    seen, unseen = rng.normal(size=(2, 60, 12, 12, 3)).astype("float32")
    wanted = np.asarray(model(unseen))

    def error(candidate):
        return float(np.mean((np.asarray(candidate(unseen)) - wanted) ** 2))

    regress = LayerRegression(layer_graph, seen, positions=20)
    sparsities = {"conv1": 0.6, "res_conv": 0.6}
    found = {}
    for name, hook in [("masked", None), ("regressed", regress)]:
        environment = SparsityEnvironment(
            layer_graph, budget=None, evaluate=error, regress=hook
        )
        found[name] = environment.evaluate_plan(sparsities).metric
        kernels = zeros(environment.sparse_model(sparsities))
        assert kernels["conv1"] == round(0.6 * 9 * 8 * 16)
    assert found["regressed"] < 0.6 * found["masked"]


def small_task():
    """Return a compiled model with labels that it can learn, and its data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 10)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    image = keras.Input((10,))
    hidden = L.Dense(16, activation="relu", name="a")(image)
    model = keras.Model(image, L.Dense(2, activation="softmax", name="head")(hidden))
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    return model, x, y


def test_tuning_holds_the_zeros_at_every_step_and_is_taken_back():
    """The second plan is tuned from the original again, its own zeros held."""
    model, x, y = small_task()
    held, starts = [], []

    def tune(candidate):
        starts.append(candidate.layers[-1].bias.numpy())
        watch = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_, **__: held.append(zeros(candidate)["a"])
        )
        candidate.fit(x, y, epochs=2, verbose=0, callbacks=[watch])

    def evaluate(candidate):
        return float(candidate.evaluate(x, y, verbose=0))

    environment = SparsityEnvironment(
        model, budget=None, evaluate=evaluate, tune=tune, higher_is_better=False
    )
    plain = SparsityEnvironment(
        model, budget=None, evaluate=evaluate, higher_is_better=False
    )
    for sparsity in (0.5, 0.75):
        plan = {"a": sparsity}
        tuned = environment.evaluate_plan(plan).metric
        assert tuned < plain.evaluate_plan(plan).metric
    assert held == [80] * 4 + [120] * 4
    assert all(np.all(start == 0) for start in starts)
    for one, other in zip(model.weights, environment.model.weights, strict=True):
        if "kernel" not in one.name:
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_zeros_come_back_after_a_tuning_that_holds_none():
    """A loop of one's own may overwrite them."""
    environment = chain(
        budget=None,
        evaluate=lambda model: float(zeros(model)["a"]),
        tune=lambda model: model.get_layer("a").kernel.assign(np.ones((10, 8))),
    )
    assert environment.evaluate_plan({"a": 0.5}).metric == 40
    model = environment.sparse_model({"a": 0.5})
    assert zeros(model)["a"] == 40
    assert model.get_layer("a").kernel.constraint is None


def test_the_plan_before_the_end_is_refused():
    """As in the mode of whole channels."""
    environment = chain()
    environment.reset()
    environment.step(0.5)
    with pytest.raises(errors.PlanError, match="1 of 3 decisions"):
        _ = environment.sparsities


@pytest.mark.parametrize("plan", [{"a": 1.5}, {"nobody": 0.5}])
def test_sparsities_that_do_not_fit_are_refused(plan):
    """The message names the layer and those that there are."""
    name, value = next(iter(plan.items()))
    with pytest.raises(errors.PlanError, match=f"{name}={value}; .* a, b, head"):
        chain().evaluate_plan(plan)


def test_one_layer_needs_no_search():
    """There is nothing to share out."""
    with pytest.raises(errors.ModelError, match="with head"):
        SparsityEnvironment(dense_chain(), budget=0.5, evaluate=lambda _: 0.5)


def test_excluded_layers_keep_their_weights():
    """And are not counted; an unknown name is refused."""
    environment = chain(exclude=["b"], known=Judged())
    assert [d.layer for d in environment.decisions] == ["a", "head"]
    with pytest.raises(errors.ConfigError, match="Did you mean 'head'"):
        chain(exclude=["heat"])


@pytest.mark.parametrize("wrong", [{"max_sparsity": 1.0}, {"max_dense_sparsity": -0.1}])
def test_settings_out_of_range_are_refused(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        chain(**wrong)


def test_a_budget_of_macs_is_refused():
    """Zeros change no MACs."""
    with pytest.raises(errors.ConfigError, match="params"):
        chain(Budget(macs=0.5))


def test_what_evaluates_badly_leaves_the_next_candidate_clean():
    """After a tuning, too."""
    answers = iter([float("nan"), 0.5])
    environment = chain(
        budget=None,
        evaluate=lambda _: next(answers),
        tune=lambda model: model.get_layer("b").kernel.assign(np.ones((8, 8))),
    )
    with pytest.raises(errors.ModelError, match="not finite"):
        environment.evaluate_plan({"a": 0.5})
    original = environment.graph.model.get_layer("b").kernel.numpy()
    found = environment.model.get_layer("b").kernel.numpy()
    np.testing.assert_array_equal(found, original)
