"""Stage ``amc``: an agent searches how many channels of each group to keep."""

from __future__ import annotations

from tfcompress import amc, graph
from tfcompress.pipeline.records import channel_rows
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Search within the budget and cut by the best plan, which is written too.

    The cut model holds the repaired weights that the plan was judged with.
    """
    config: amc.AmcConfig = context.config
    model = context.load("model")
    result = amc.search(
        model,
        context.dataset,
        config=config,
        task=context.task,
        state_dir=context.state_dir,
        progress=context.progress,
    )
    pruned, surgery = graph.prune_model(result.model, result.plan)
    path = context.path(".plan.json")
    result.plan.save(path)
    return Outcome(
        model=pruned,
        channels=channel_rows(graph.trace(model), result.plan),
        surgery=surgery.to_dict(),
        details={
            "plan": path.name,
            "search": result.to_dict(),
        },
    )
