"""Stage ``slim``: Network Slimming, the whole method."""

from __future__ import annotations

from tfcompress import graph, slimming
from tfcompress.pipeline.records import channel_rows
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Regularise, select, prune and fine-tune until the budget is met."""
    model = context.load("model")
    result = slimming.slim(
        model,
        context.dataset,
        config=context.config,
        task=context.task,
        state_dir=context.state_dir,
        progress=context.progress,
    )
    return Outcome(
        model=result.model,
        channels=channel_rows(graph.trace(model), result.plan),
        surgery=result.report.to_dict(),
        scales=result.scales,
        history=result.history,
        details={"passes": list(result.passes), "recovered": result.recovered},
    )
