"""Stage ``prune``: one cut, by a criterion and a budget or by a saved plan."""

from __future__ import annotations

import keras

from tfcompress import channels, graph
from tfcompress.pipeline.records import channel_rows
from tfcompress.pipeline.settings import PruneConfig
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Score, select, cut; the plan is written beside the model."""
    config: PruneConfig = context.config
    traced = graph.trace(context.load("model"))
    plan = _plan(context, traced)
    model, surgery = graph.prune_model(
        _repaired(context, traced, plan), plan, fold_constants=config.fold_constants
    )
    plan_path = context.path(".plan.json")
    plan.save(plan_path)
    return Outcome(
        model=model,
        channels=channel_rows(traced, plan),
        surgery=surgery.to_dict(),
        details={"plan": plan_path.name},
    )


def _repaired(
    context: StageContext, traced: graph.LayerGraph, plan: graph.PruningPlan
) -> graph.LayerGraph | keras.Model:
    """Refit what reads the removed channels, if the settings say so."""
    config: PruneConfig = context.config
    if not config.reconstruct:
        return traced
    return channels.reconstruct(
        traced,
        plan,
        context.dataset,
        reextract=config.reextract,
        num_examples=config.reconstruction_examples,
    )


def _plan(context: StageContext, traced: graph.LayerGraph) -> graph.PruningPlan:
    config: PruneConfig = context.config
    if config.plan is not None:
        plan = graph.PruningPlan.load(config.plan)
        plan.validate(traced)
        return plan
    scores = channels.score(
        traced,
        criterion=config.criterion,
        data=context.dataset if config.criterion == "taylor" else None,
        seed=config.seed,
    )
    return channels.select(
        traced,
        scores,
        budget=config.budget(),
        scope=config.scope,
        round_to=config.round_to,
        min_channels=config.min_channels,
        exclude=config.exclude,
    )
