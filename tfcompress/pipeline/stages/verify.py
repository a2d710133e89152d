"""Stage ``verify``: is the file as good as the model?"""

from __future__ import annotations

from typing import Any

from tfcompress import data, tflite
from tfcompress.pipeline.settings import VerifyConfig
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Compare the file with its model, and with the original if a limit says so."""
    config: VerifyConfig = context.config
    report = tflite.check_parity(
        context.load("reference"),
        context.inputs["file"].path,
        data=context.dataset,
        split=config.split,
        max_drop=config.max_drop,
        min_agreement=config.min_agreement,
        task=context.task,
    )
    details: dict[str, Any] = {"parity": report.to_dict()}
    failures = list(report.reasons)
    if config.max_drop_from_original is not None:
        drop = _drop_from_original(context, report.tflite)
        details["drop_from_original"] = drop
        if drop > config.max_drop_from_original:
            failures.append(
                f"the file is {drop:.4f} worse than the original; allowed is "
                f"{config.max_drop_from_original}"
            )
    return Outcome(details=details, passed=not failures, verdict="; ".join(failures))


def _drop_from_original(context: StageContext, file: data.Evaluation) -> float:
    """Return how much worse the file is than the original, in the metric's unit."""
    original = data.evaluate_model(
        context.model.load(str(context.original)),
        context.dataset,
        split=context.config.split,
        task=context.task,
    )
    return file.drop_from(original)
