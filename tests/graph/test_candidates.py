"""Tests of `tfcompress.graph.candidates`: one model for many plans."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models import conv_bn_net, randomise
from tests.strategies import (
    inputs_for,
    models,
    outputs_of,
    random_plan,
    relative_error,
)
from tfcompress import errors
from tfcompress.graph import CandidateModel, PruningPlan, mask_model, trace


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(models(), st.booleans())
def test_each_plan_in_turn_equals_its_masked_model(model, fold):
    """Property: what an earlier plan wrote never shows in a later one."""
    graph = trace(model)
    candidate = CandidateModel(graph, fold_constants=fold)
    inputs = inputs_for(model)
    plans = [random_plan(graph, ratio) for ratio in (0.5, 0.25, 0.75)]
    for plan in (*plans, PruningPlan.full(graph), plans[0]):
        candidate.assign(plan)
        masked = mask_model(graph, plan, fold_constants=fold)
        got, wanted = outputs_of(candidate.model, inputs), outputs_of(masked, inputs)
        assert relative_error(got, wanted) <= 1e-5


def _small():
    model = randomise(conv_bn_net())
    graph = trace(model)
    group = graph.groups[0]
    plan = PruningPlan.of(graph, {group.name: np.arange(group.size // 2)})
    return model, graph, group, plan


def test_only_weights_that_change_are_written():
    """Assigning the same plan again touches nothing."""
    _, graph, _, plan = _small()
    candidate = CandidateModel(graph)
    candidate.assign(plan)
    written = []
    for key, variable in candidate._variables.items():
        candidate._variables[key] = _Spy(variable, key, written)
    candidate.assign(plan)
    assert written == []
    candidate.assign(PruningPlan.full(graph))
    assert written
    assert len(written) <= 2


class _Spy:
    def __init__(self, variable, key, written):
        self._variable, self._key, self._written = variable, key, written

    def assign(self, value):
        self._written.append(self._key)
        self._variable.assign(value)

    def __getattr__(self, name):
        return getattr(self._variable, name)


def test_a_repaired_kernel_is_used_as_it_is_and_taken_back():
    """Repaired weights go in unchanged, nothing is folded there, and they leave."""
    model, graph, group, plan = _small()
    consumer = group.consumers[0]
    key = (consumer.layer, consumer.variable)
    before = graph.layers[consumer.layer].kernel.numpy()
    repaired = {key: np.full_like(before, 0.5)}
    candidate = CandidateModel(graph)
    candidate.assign(plan, repaired)
    same = {
        (layer.name, variable.name): variable.numpy()
        for layer in candidate.model.layers
        for variable in layer.variables
    }
    for layer in model.layers:
        for variable in layer.variables:
            place = (layer.name, variable.name)
            wanted = repaired.get(place, variable.numpy())
            np.testing.assert_array_equal(same[place], wanted)
    candidate.assign(PruningPlan.full(graph))
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:]))
    got, wanted = candidate.model(x).numpy(), model(x).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_the_original_is_never_written():
    """The copy shares nothing with the model that was traced."""
    model, graph, _, plan = _small()
    before = [weight.copy() for weight in model.get_weights()]
    CandidateModel(graph).assign(plan)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_plan_for_another_model_is_refused():
    """The plan's own check speaks."""
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    other = trace(keras.Model(inputs, keras.layers.Dense(1)(hidden)))
    _, graph, _, _ = _small()
    with pytest.raises(errors.PlanError, match="another model"):
        CandidateModel(graph).assign(PruningPlan.full(other))
