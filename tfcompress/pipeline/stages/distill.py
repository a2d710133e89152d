"""Stage ``distill``: train a student on the data and on a teacher's answers.

The zeros of a pruned student stay.
"""

from __future__ import annotations

from tfcompress import distill
from tfcompress.pipeline.stages import zeros
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Train the newest model to answer like the teacher, usually the original."""
    student = zeros.held(context.load("model"))
    result = distill.distill(
        student,
        context.load("teacher"),
        context.dataset,
        config=context.config,
        task=context.task,
        state_dir=context.state_dir,
        progress=context.progress,
    )
    return Outcome(model=zeros.released(student), history=result.history)
