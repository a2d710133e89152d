"""Stage ``amc``: an agent searches how much of each layer to keep.

The baselines are judged after the search, on the same examples within the same budget,
so that the report can say what the search was worth.
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress import amc, channels, files, graph
from tfcompress.pipeline.records import channel_rows
from tfcompress.pipeline.settings import SearchConfig
from tfcompress.pipeline.stages import latency_limit
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Search within the budget and cut by the best plan, which is written too.

    The cut model holds the repaired weights that the plan was judged with.
    """
    config: SearchConfig = context.config
    model, budget = context.load("model"), latency_limit.budget_of(config)
    result = amc.search(
        model,
        context.dataset,
        config=config.search(),
        budget=budget,
        task=context.task,
        state_dir=context.state_dir,
        progress=context.progress,
    )
    layer_graph = graph.trace(model)
    details = {
        "plan": _write_plan(context, result),
        "search": {
            **result.to_dict(),
            "baselines": _baselines(context, model, budget),
            "latency": latency_limit.finalists(config, layer_graph, result),
        },
    }
    if result.sparsities is not None:  # zeros inside the weights, the shape stays
        return Outcome(model=result.model, details=details)
    pruned, surgery = graph.prune_model(result.model, result.plan)
    return Outcome(
        model=pruned,
        channels=channel_rows(layer_graph, result.plan),
        surgery=surgery.to_dict(),
        details=details,
    )


def _baselines(
    context: StageContext, model: keras.Model, budget: channels.Budget | None
) -> list[dict[str, Any]]:
    """Return a row for each baseline that the settings name."""
    config: SearchConfig = context.config
    if not config.baselines:
        return []
    rows = amc.compare(
        model,
        context.dataset,
        config=config.search(),
        budget=budget,
        methods=config.baselines,
        seeds=(config.seed,),
        task=context.task,
        state_dir=context.state_dir / "baselines",
        progress=context.progress,
    )
    records = [row.to_dict() for row in rows]
    for record in records:
        del record["plan"]  # its widths say it
    return records


def _write_plan(context: StageContext, result: amc.AmcResult) -> str:
    """Write the plan, or the sparsity by layer, and return the file's name."""
    path = context.path(".plan.json")
    if result.sparsities is None:
        result.plan.save(path)
    else:
        content = {"model_name": result.model.name, "sparsities": result.sparsities}
        files.write_json(path, content)
    return path.name
