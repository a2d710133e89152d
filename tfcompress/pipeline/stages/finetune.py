"""Stage ``finetune``: train a cut model by one of the retraining arms.

Surviving weights are trained around the zeros of a pruned model, which stay.
"""

from __future__ import annotations

from tfcompress import graph
from tfcompress.pipeline.settings import FinetuneConfig
from tfcompress.pipeline.stages import zeros
from tfcompress.pipeline.stages.context import Outcome, StageContext
from tfcompress.training import arms, train


def run(context: StageContext) -> Outcome:
    """Train the surviving weights, or the same shape from new ones."""
    config: FinetuneConfig = context.config
    model = context.load("model")
    original = context.model.load(context.original or context.inputs["model"].path)
    model, training = arms.prepare(
        model,
        config.training(),
        arm=config.arm,
        macs_before=graph.cost(original).macs,
        macs_after=graph.cost(model).macs,
        original_epochs=config.original_epochs,
    )
    model = zeros.held(model)  # new weights have none
    result = train(
        model,
        context.dataset,
        config=training,
        task=context.task,
        state_dir=context.state_dir,
        progress=context.progress,
    )
    details = {"arm": config.arm, "epochs": training.epochs}
    return Outcome(model=zeros.released(model), history=result.history, details=details)
