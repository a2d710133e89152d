"""Properties of tracing and surgery on random small graphs."""

from __future__ import annotations

import keras
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracles import switched_off
from tests.strategies import (
    inputs_for,
    models,
    outputs_of,
    random_plan,
    relative_error,
)
from tfcompress.graph import PruningPlan, cost, mask_model, prune_model, trace

RATIOS = st.sampled_from([0.25, 0.5, 0.75])
some = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@some
@given(models(), RATIOS)
def test_pruned_model_is_the_masked_model(model, ratio):
    """Property 1, without and with folding, and property 3: predicted costs hold."""
    graph = trace(model)
    plan = random_plan(graph, ratio)
    inputs = inputs_for(model)
    for fold in (False, True):
        pruned, _ = prune_model(graph, plan, fold_constants=fold)
        masked = mask_model(graph, plan, fold_constants=fold)
        got, wanted = outputs_of(pruned, inputs), outputs_of(masked, inputs)
        assert relative_error(got, wanted) <= 1e-5
        predicted, real = cost(graph, plan, fold_constants=fold), cost(pruned)
        assert predicted.params == real.params == pruned.count_params()
        assert (predicted.macs, predicted.size_bytes) == (real.macs, real.size_bytes)


@some
@given(models(padded=False), RATIOS)
def test_folding_matches_channels_switched_off_at_their_source(model, ratio):
    """Without padding or data-dependent channels, folding is exact everywhere."""
    graph = trace(model)
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        return  # the oracle clones layer by layer, by name
    plan = random_plan(graph, ratio)
    pruned, report = prune_model(graph, plan)
    assert all(fold.interior == 0 for fold in report.folded)
    if any(fold.lost for fold in report.folded):
        return
    inputs = inputs_for(model)
    wanted = outputs_of(switched_off(graph, plan), inputs)
    assert relative_error(outputs_of(pruned, inputs), wanted) <= 1e-5


@some
@given(models())
def test_an_empty_cut_changes_nothing(model):
    """Property 2."""
    pruned, _ = prune_model(model, PruningPlan.full(trace(model)))
    inputs = inputs_for(model)
    assert relative_error(outputs_of(pruned, inputs), outputs_of(model, inputs)) <= 1e-6
    assert pruned.count_params() == model.count_params()


@some
@given(models())
def test_groups_partition_the_prunable_channels(model):
    """Property 4: no output position of a kernel is in two groups."""
    graph = trace(model)
    seen: dict[tuple[str, str], np.ndarray] = {}
    for group in graph.groups:
        assert sorted(set(group.roots.tolist())) == sorted(group.roots.tolist())
        for place in group.producers:
            mine = place.channel >= 0
            assert place.channel.max() < group.size
            before = seen.setdefault((place.layer, place.variable), np.zeros_like(mine))
            assert not np.any(before & mine)
            seen[place.layer, place.variable] = before | mine


@some
@given(models(), RATIOS)
def test_plan_survives_json(model, ratio):
    """Property 8, for plans."""
    plan = random_plan(trace(model), ratio)
    again = PruningPlan.from_dict(plan.to_dict())
    assert again.to_dict() == plan.to_dict()
