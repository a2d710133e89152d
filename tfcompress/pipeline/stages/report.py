"""Stage ``report``: what the run did, as JSON, Markdown and one HTML page."""

from __future__ import annotations

from tfcompress import report
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Read the records that the stages before wrote, and show them."""
    report.write(report.build(context.directory), context.directory)
    return Outcome()
