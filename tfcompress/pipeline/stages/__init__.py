"""The stages of a run: what each kind reads, makes and needs, one file for each.

`KINDS` is the one table from a name in a workflow to what it does.  A stage is a
function from a `StageContext` to an `Outcome`; files, records, caching and logs are the
runner's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from tfcompress.config import Config
from tfcompress.distill import DistillConfig
from tfcompress.pipeline import settings
from tfcompress.pipeline.stages import (
    amc,
    benchmark,
    convert,
    distill,
    finetune,
    original,
    prune,
    quantize,
    report,
    sensitivity,
    slim,
    sparsify,
    verify,
)
from tfcompress.pipeline.stages.context import Outcome, StageContext
from tfcompress.slimming import SlimConfig
from tfcompress.sparsity import SparsifyConfig

__all__ = ["KINDS", "ORIGINAL", "Kind", "Outcome", "StageContext"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of stage.

    Attributes:
        config: The class of its settings.
        run: Does the work.
        makes: What later stages may read.
        alone: What the stage writes when it runs alone, if it is something else.
        roles: What it reads, and the key of a workflow that names another stage.
        optional: Roles that are read only if a workflow or a command names them.
        needs_data: Whether these settings need a data set.
        makes_record: False for a stage that only shows what the others recorded.
    """

    config: type[Config]
    run: Callable[[StageContext], Outcome]
    makes: Literal["model", "file"] | None = None
    alone: Literal["plan"] | None = None
    roles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    optional: tuple[str, ...] = ()
    needs_data: Callable[[Any], bool] = lambda _config: True
    makes_record: bool = True


_MODEL = {"model": "input"}

ORIGINAL = Kind(
    config=settings.OriginalConfig,
    run=original.run,
    makes="model",
    needs_data=lambda _config: False,
)

KINDS: Mapping[str, Kind] = {
    "slim": Kind(config=SlimConfig, run=slim.run, makes="model", roles=_MODEL),
    "amc": Kind(
        config=settings.SearchConfig,
        run=amc.run,
        makes="model",
        alone="plan",
        roles=_MODEL,
    ),
    "prune": Kind(
        config=settings.PruneConfig,
        run=prune.run,
        makes="model",
        roles=_MODEL,
        needs_data=lambda config: config.needs_data,
    ),
    "sparsify": Kind(
        config=SparsifyConfig,
        run=sparsify.run,
        makes="model",
        roles={**_MODEL, "teacher": "teacher"},
        optional=("teacher",),
    ),
    "finetune": Kind(
        config=settings.FinetuneConfig, run=finetune.run, makes="model", roles=_MODEL
    ),
    "distill": Kind(
        config=DistillConfig,
        run=distill.run,
        makes="model",
        roles={**_MODEL, "teacher": "teacher"},
    ),
    "quantize": Kind(
        config=settings.QuantizeStageConfig,
        run=quantize.run,
        makes="model",
        roles={**_MODEL, "teacher": "teacher"},
        optional=("teacher",),
    ),
    "convert": Kind(
        config=settings.ConvertConfig,
        run=convert.run,
        makes="file",
        roles=_MODEL,
        needs_data=lambda config: config.needs_calibration,
    ),
    "sensitivity": Kind(
        config=settings.SensitivityConfig,
        run=sensitivity.run,
        alone="plan",
        roles=_MODEL,
    ),
    "verify": Kind(
        config=settings.VerifyConfig,
        run=verify.run,
        roles={"file": "input", "reference": "reference"},
    ),
    "benchmark": Kind(
        config=settings.BenchmarkConfig,
        run=benchmark.run,
        roles={"file": "input"},
        needs_data=lambda _config: False,
    ),
    "report": Kind(
        config=settings.ReportConfig,
        run=report.run,
        needs_data=lambda _config: False,
        makes_record=False,
    ),
}
