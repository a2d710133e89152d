"""Network Slimming end to end, in one pass or several.

Several passes approach the budget in equal steps (each leaves the same fraction of the
cost), and stop at the last one whose retraining brought the accuracy back: more passes
remove less at a time, so the scales can settle anew in between.

Source: Liu et al., "Learning Efficient Convolutional Networks through Network
Slimming", ICCV 2017, section 3 and figure 2.  Where we differ: budgets in MACs,
parameters or bytes instead of a percentile of scales; a floor per group; whole blocks
of channels; what a removed channel contributed as a constant is folded into the next
layer; tied layers are cut together instead of gathered by a "channel selection" layer.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import time
from typing import Any

import keras

from tfcompress import channels, data, files, graph
from tfcompress.channels import budgets
from tfcompress.graph.identities import identity
from tfcompress.slimming.pass_state import PassState
from tfcompress.slimming.passes import Pass, Progress, Work, run_pass, select_channels
from tfcompress.slimming.regularization import prunable_norms, regularize_scales
from tfcompress.slimming.settings import SlimConfig

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlimResult:
    """A slimmed model and how it came about.

    Attributes:
        model: The smaller model, plain and retrained.
        plan: The whole cut, for the original model.
        report: What the surgery of the last kept pass did.
        history: One number per epoch, over all phases of the kept passes.
        scales: Histograms of the scales per epoch, for the report.
        passes: One record per pass that ran, as JSON values.
        cost_before: Cost of the original model, bytes by the config's recipe.
        cost_after: Cost of the smaller one.
        recovered: Whether retraining brought the validation metric back, to within
            `SlimConfig.max_drop` of the original's, or of the better one that the first
            training under the penalty reached.
        seconds: Wall-clock time.
    """

    model: keras.Model
    plan: graph.PruningPlan
    report: graph.SurgeryReport
    history: dict[str, list[float]]
    scales: list[dict[str, Any]]
    passes: tuple[dict[str, Any], ...]
    cost_before: graph.Cost
    cost_after: graph.Cost
    recovered: bool
    seconds: float


def slim(  # noqa: PLR0913 - one obvious call, all but two by keyword
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: SlimConfig | None = None,
    task: data.Task | None = None,
    budget: channels.Budget | None = None,
    state_dir: files.PathLike | None = None,
    progress: Progress | None = None,
) -> SlimResult:
    """Make a model smaller by Network Slimming.

    Args:
        model: A built functional or Sequential model with BatchNormalization, trained
            (its scales are kept as a start) or not. It is not changed.
        dataset: Its training part is learned, its validation part decides; the test
            part is not touched.
        config: The settings; by default half of the MACs go, in one pass.
        task: Loss and metric; by default the compiled model's, else the data set's.
        budget: Limits to use instead of the config's, for costs that no setting can
            name, such as a latency.
        state_dir: Where to keep the state; the same call after a kill goes on there.
        progress: Called after every training step.

    Returns:
        The last pass that brought the accuracy back. If none did, the first pass, with
        `SlimResult.recovered` false.

    Raises:
        ModelError: If there is no BatchNorm on prunable channels, or it is frozen.
        BudgetError: If no plan meets the budget; before any training.
        DataError: If the data do not fit the model; before any training.
        TrainingError: If a loss or weight is no longer finite.
    """
    started = time.perf_counter()
    config = config or SlimConfig()
    budget = budget or config.budget()
    layer_graph = graph.trace(model)
    _check(layer_graph, dataset, config, budget)
    task = task or data.Task.for_model(model, dataset)
    work = Work(
        dataset=dataset,
        config=config,
        task=task,
        progress=progress,
        original_macs=graph.cost(layer_graph).macs,
    )
    limits = pass_budgets(layer_graph, budget, config.passes)
    states = _states(state_dir, layer_graph, work, budget, len(limits))
    return _Run(layer_graph, work, states).all_passes(limits, started)


def pass_budgets(
    layer_graph: graph.LayerGraph, budget: channels.Budget, passes: int
) -> list[channels.Budget]:
    """Return the limits of each pass: equal steps down to `budget`, all absolute.

    After pass i of n, ``(limit / whole) ** (i / n)`` of each cost is left.
    """
    whole = graph.PruningPlan.full(layer_graph)
    readings = budgets.Meter(layer_graph, budget).readings(whole)

    def limit(reading: budgets.Reading, number: int) -> float:
        ratio = min(1.0, reading.limit / reading.value)
        return (
            reading.limit if ratio == 1 else reading.value * ratio ** (number / passes)
        )

    counted = [r for r in readings if r.name in budgets.COUNTED]
    custom = readings[len(counted) :]
    functions = [function for function, _ in budget.custom]
    return [
        channels.Budget(
            recipe=budget.recipe,
            **{r.name: limit(r, number) for r in counted},
            custom=tuple(
                (function, limit(reading, number))
                for function, reading in zip(functions, custom, strict=True)
            ),
        )
        for number in range(1, passes + 1)
    ]


class _Run:
    """The passes of one call of `slim`, and what has been kept of them."""

    def __init__(
        self, layer_graph: graph.LayerGraph, work: Work, states: list[PassState]
    ) -> None:
        self._graph, self._work, self._states = layer_graph, work, states
        self._kept: list[Pass] = []
        self._records: list[dict[str, Any]] = []

    def all_passes(self, limits: list[channels.Budget], started: float) -> SlimResult:
        """Run passes until the budget is met or the accuracy does not come back."""
        model, recovered = self._graph.model, True
        reference = self._work.evaluate(model)
        for number, budget in enumerate(limits, start=1):
            last = number == len(limits)
            done = run_pass(
                model,
                self._work,
                budget=budget,
                arm=self._work.config.arm if last else "finetune",
                state=self._states[number - 1],
            )
            if number == 1 and self._work.task.better(
                done.sparse.value, than=reference.value
            ):
                reference = done.sparse  # an untrained original is no yardstick
            back = done.retrained.drop_from(reference) <= self._work.config.max_drop
            self._note(number, done, reference, back=back)
            if back or number == 1:
                self._kept.append(done)
                model, recovered = done.model, back
            if not back:
                _LOG.warning(
                    "Pass %d of %d did not bring the accuracy back: %s %.4f, was %.4f.",
                    number, len(limits), done.retrained.metric, done.retrained.value,
                    reference.value,
                )  # fmt: skip
                break
        seconds = time.perf_counter() - started
        return self._result(recovered=recovered, seconds=seconds)

    def _note(
        self, number: int, done: Pass, reference: data.Evaluation, *, back: bool
    ) -> None:
        cost = graph.cost(done.model, recipe=self._work.config.recipe)
        self._records.append(
            {
                "pass": number,
                "metric": done.retrained.metric,
                "reference": reference.value,
                "sparse": done.sparse.value,
                "cut": done.cut.value,
                "retrained": done.retrained.value,
                "recovered": back,
                "kept": back or number == 1,
                "macs": cost.macs,
                "params": cost.params,
                "size_bytes": cost.size_bytes,
                "channels": done.plan.widths(),
            }
        )

    def _result(self, *, recovered: bool, seconds: float) -> SlimResult:
        last = self._kept[-1]
        phases = [h for done in self._kept for h in done.histories.values() if h]
        names = set.intersection(*(set(phase) for phase in phases)) if phases else ()
        return SlimResult(
            model=last.model,
            plan=self._whole_plan(),
            report=last.report,
            history={
                name: [value for phase in phases for value in phase[name]]
                for name in sorted(names)
            },
            scales=_joined([done.scales for done in self._kept]),
            passes=tuple(self._records),
            cost_before=graph.cost(self._graph, recipe=self._work.config.recipe),
            cost_after=graph.cost(last.model, recipe=self._work.config.recipe),
            recovered=recovered,
            seconds=seconds,
        )

    def _whole_plan(self) -> graph.PruningPlan:
        """Return the cuts of all kept passes as one cut of the original."""
        keep: dict[str, Any] = {}
        for done in self._kept:
            for name, kept in done.plan.keep.items():
                keep[name] = keep[name][kept] if name in keep else kept
        return graph.PruningPlan.of(self._graph, keep=keep)


def _joined(parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Number the epochs of several trainings through; only one starts at 0."""
    joined: list[dict[str, Any]] = []
    for records in parts:
        first = joined[-1]["epoch"] if joined else 0
        fresh = records if not joined else records[1:]
        joined += [{**record, "epoch": first + record["epoch"]} for record in fresh]
    return joined


def _check(
    layer_graph: graph.LayerGraph,
    dataset: data.Dataset,
    config: SlimConfig,
    budget: channels.Budget,
) -> None:
    """Refuse before any training what would be refused after it."""
    data.check_fits(layer_graph.model, dataset)
    scores = channels.random(layer_graph)
    if config.criterion == "bn_scale" or config.sparse_epochs:
        regularize_scales(layer_graph.model, unfreeze=config.unfreeze)
    if config.criterion == "bn_scale":
        norms = set(prunable_norms(layer_graph))
        scores = {
            group.name: scores[group.name]
            for group in layer_graph.groups
            if norms & {part.layer for part in (*group.scales, *group.followers)}
        }
    select_channels(layer_graph, scores, config, budget)


def _states(
    state_dir: files.PathLike | None,
    layer_graph: graph.LayerGraph,
    work: Work,
    budget: channels.Budget,
    count: int,
) -> list[PassState]:
    if state_dir is None:
        return [PassState(None, identity="")] * count
    named = identity(
        layer_graph.model,
        layer_graph.fingerprint,
        work.config.to_dict(),
        budget,
        str(work.dataset.fingerprint),
        list(work.task.outputs.values()),
    )
    return [
        PassState(pathlib.Path(state_dir) / f"pass-{number}", identity=named)
        for number in range(1, count + 1)
    ]
