"""Run a workflow's stages into a directory: resumable, recorded, verified.

`read_workflow` turns a TOML file into a `Workflow` with every default filled in;
`run_workflow` runs it; `run_stage` runs one stage alone; `describe_model` says what
could be removed.  Stages call the method packages; files, records, caching, locking and
logs are done here, once.
"""

from tfcompress.pipeline.demo import demo_workflow
from tfcompress.pipeline.describing import describe_model
from tfcompress.pipeline.observer import Observer
from tfcompress.pipeline.run import RunResult, run_workflow
from tfcompress.pipeline.single import run_stage
from tfcompress.pipeline.sources import DataSource, ModelSource
from tfcompress.pipeline.workflow import (
    StageSpec,
    Workflow,
    parse_workflow,
    read_workflow,
)

__all__ = [
    "DataSource",
    "ModelSource",
    "Observer",
    "RunResult",
    "StageSpec",
    "Workflow",
    "demo_workflow",
    "describe_model",
    "parse_workflow",
    "read_workflow",
    "run_stage",
    "run_workflow",
]
