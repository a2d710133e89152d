"""Stage ``sparsify``: magnitude pruning while training, perhaps with a teacher."""

from __future__ import annotations

from tfcompress import sparsity
from tfcompress.pipeline.stages import teaching
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Prune the newest model; the plain model with its zeros goes on."""
    config: sparsity.SparsifyConfig = context.config
    result = sparsity.sparsify(
        context.load("model"),
        context.dataset,
        config=config,
        task=context.task,
        state_dir=context.state_dir,
        progress=context.progress,
        wrap=teaching.wrapper(context),
    )
    details = {
        "sparsity": {
            **result.report.to_dict(),
            "schedule": result.schedule,
            "records": result.records,
            "teacher": "teacher" in context.inputs,
        }
    }
    return Outcome(model=result.model, history=result.history, details=details)
