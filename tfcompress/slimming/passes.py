"""One pass of Network Slimming: train sparse, select, cut, train again.

::

    model -> train sparse -> select -> prune (fold) -> retrain -> smaller model
             phase "sparse"                            phase "retrain"

Each phase that trains can be resumed; everything between is computed again, for it is a
function of the weights.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfcompress import channels, data, graph, training
from tfcompress.slimming.monitor import SlimmingMonitor
from tfcompress.slimming.pass_state import PassState
from tfcompress.slimming.regularization import (
    regularize_scales,
    remove_regularization,
)
from tfcompress.slimming.settings import SlimConfig

_LOG = logging.getLogger(__name__)

Progress = Callable[[training.Progress], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What all passes share.

    Attributes:
        dataset: What is learned; its validation part decides.
        config: The settings.
        task: Loss, metric and its direction.
        progress: Called after every training step.
        original_macs: MACs of the model that the first pass started from.
    """

    dataset: data.Dataset
    config: SlimConfig
    task: data.Task
    progress: Progress | None
    original_macs: int

    def evaluate(self, model: keras.Model) -> data.Evaluation:
        """Evaluate on the validation part."""
        return data.evaluate_model(
            model, self.dataset, split="validation", task=self.task
        )

    def train(
        self,
        model: keras.Model,
        config: training.TrainConfig,
        state: PassState,
        phase: str,
        *callbacks: Any,
    ) -> dict[str, list[float]]:
        """Train in place and return the history."""
        return training.train(
            model,
            self.dataset,
            config=config,
            task=self.task,
            callbacks=callbacks,
            state_dir=state.training_dir(phase),
            progress=self.progress,
        ).history


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass made.

    Attributes:
        model: The retrained smaller model, plain.
        plan: The cut, for the model that the pass started from.
        report: What surgery did.
        sparse: Validation of the model trained under the penalty, before the cut.
        cut: Validation right after the cut.
        retrained: Validation at the end.
        histories: Training history by phase.
        scales: Records of `SlimmingMonitor`.
    """

    model: keras.Model
    plan: graph.PruningPlan
    report: graph.SurgeryReport
    sparse: data.Evaluation
    cut: data.Evaluation
    retrained: data.Evaluation
    histories: dict[str, dict[str, list[float]]]
    scales: list[dict[str, Any]]


def run_pass(
    model: keras.Model,
    work: Work,
    *,
    budget: channels.Budget,
    arm: str,
    state: PassState,
) -> Pass:
    """Do one pass.

    Args:
        model: A plain model; it is not changed.
        work: What all passes share.
        budget: The limits of this pass.
        arm: How the cut model is trained, one of `training.arms.ARMS`.
        state: Where finished phases are kept.
    """
    sparse, sparse_history, scales = _train_sparse(model, work, state)
    before = work.evaluate(sparse)
    layer_graph = graph.trace(sparse)
    plan = _select(layer_graph, work, budget)
    fold = work.config.fold_constants
    smaller, report = graph.prune_model(layer_graph, plan, fold_constants=fold)
    cut = work.evaluate(smaller)
    _LOG.info("cut: %s %.4f -> %.4f", cut.metric, before.value, cut.value)
    retrained, history = _retrain(smaller, work, arm, state)
    return Pass(
        model=retrained,
        plan=plan,
        report=report,
        sparse=before,
        cut=cut,
        retrained=work.evaluate(retrained),
        histories={"sparse": sparse_history, "retrain": history},
        scales=scales,
    )


def select_channels(
    layer_graph: graph.LayerGraph,
    scores: Mapping[str, Any],
    config: SlimConfig,
    budget: channels.Budget,
) -> graph.PruningPlan:
    """Select what to keep within a budget, by a config's rounding, floor and scope."""
    return channels.select(
        layer_graph,
        scores,
        budget=budget,
        scope=config.scope,
        round_to=config.round_to,
        min_channels=config.min_channels,
        exclude=config.exclude,
    )


def _select(
    layer_graph: graph.LayerGraph, work: Work, budget: channels.Budget
) -> graph.PruningPlan:
    config = work.config
    scores = channels.score(
        layer_graph, criterion=config.criterion, data=work.dataset, seed=config.seed
    )
    return select_channels(layer_graph, scores, config, budget)


def _train_sparse(
    model: keras.Model, work: Work, state: PassState
) -> tuple[keras.Model, dict[str, list[float]], list[dict[str, Any]]]:
    """Return a plain model trained under the penalty, and how its scales moved."""
    config = work.config
    if not config.sparse_epochs:
        return remove_regularization(model), {}, []
    sparse = regularize_scales(
        model,
        strength=config.strength,
        proximal=config.proximal,
        unfreeze=config.unfreeze,
    )
    record = state.load("sparse", sparse)
    if record is None:
        monitor = SlimmingMonitor()
        history = work.train(sparse, config.sparse_training(), state, "sparse", monitor)
        record = {"history": history, "scales": monitor.records}
        state.save("sparse", sparse, record)
    return remove_regularization(sparse), record["history"], record["scales"]


def _retrain(
    smaller: keras.Model, work: Work, arm: str, state: PassState
) -> tuple[keras.Model, dict[str, list[float]]]:
    model, config = training.arms.prepare(
        smaller,
        work.config.fine_tuning(),
        arm=arm,
        macs_before=work.original_macs,
        macs_after=graph.cost(smaller).macs,
        original_epochs=work.config.original_epochs,
    )
    record = state.load("retrain", model)
    if record is None:
        record = {"history": work.train(model, config, state, "retrain")}
        state.save("retrain", model, record)
    return model, record["history"]
