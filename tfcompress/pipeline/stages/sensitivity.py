"""Stage ``sensitivity``: which layers lose most by quantization, and a map from it."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfcompress import files, quantize
from tfcompress.pipeline.settings import SensitivityConfig
from tfcompress.pipeline.stages import precision_choice
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Rank the layers; with a limit, choose a precision for each and write the map."""
    config: SensitivityConfig = context.config
    model = context.load("model")
    studied = quantize.sensitivity(
        model,
        context.dataset,
        precision=config.recipe,
        task=context.task,
        num_examples=config.examples,
        calibration_examples=config.calibration_examples,
        progress=context.progress,
    )
    found = dataclasses.replace(studied, layers=studied.ranked(config.rank_by))
    details: dict[str, Any] = {"sensitivity": found.to_dict()}
    content = details["sensitivity"]
    if config.chooses:
        chosen = precision_choice.choose(
            context,
            model,
            recipe=config.recipe,
            limits={"max_drop": config.max_drop, "size_bytes": config.size_bytes},
            calibration_examples=config.calibration_examples,
            higher=config.higher,
            rank_by=config.rank_by,
            found=found,
        )
        content = details["mixed"] = chosen.to_dict()
    path = context.path(".plan.json")
    files.write_json(path, content)
    return Outcome(details={**details, "plan": path.name})
