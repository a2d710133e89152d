"""Stage ``sparsify``: magnitude pruning while training, perhaps with a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfcompress import distill, sparsity
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
        wrap=_teaching(context),
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


def _teaching(context: StageContext) -> Callable[[Any], Any] | None:
    """Return what puts the student before its teacher, if there is one."""
    if "teacher" not in context.inputs:
        return None
    config: sparsity.SparsifyConfig = context.config
    names = ("temperature", "alpha")
    settings = config.training().to_dict() | {n: getattr(config, n) for n in names}
    return distill.wrapper(
        context.load("teacher"),
        config=distill.DistillConfig.from_dict(settings),
        task=context.task,
    )
