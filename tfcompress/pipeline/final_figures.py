"""Add to the records what is measured only once, when everything is decided.

The test part of the data is touched for the first and the last Keras model of a run
(and by ``verify`` for the file), never for a stage between them: no decision can come
from it, whatever the user changes and runs again.
"""

from __future__ import annotations

from typing import Any

from tfcompress.pipeline import evaluating
from tfcompress.pipeline.execution import Execution, artifact
from tfcompress.pipeline.workflow import ORIGINAL, StageSpec, Workflow

Records = dict[str, dict[str, Any]]


def add_test_figures(
    execution: Execution, workflow: Workflow, records: Records
) -> set[str]:
    """Evaluate the first and the last model on the test part, unless that is done.

    Returns:
        Names of the records that changed.
    """
    if workflow.data is None:
        return set()
    with_model = [stage for stage in workflow.stages if _has_model(records, stage)]
    changed = set()
    for stage in with_model[:1] + with_model[-1:]:
        record = records[stage.name]
        if record["evaluation"]["test"] is None:
            figures = _test(execution, stage, record)
            if figures is not None:
                record["evaluation"] = {**record["evaluation"], "test": figures}
                changed.add(stage.name)
    return changed


def add_baselines(records: Records) -> set[str]:
    """Copy what was measured beside a later stage into the original's details.

    Returns:
        Names of the records that changed.
    """
    original = records.get(ORIGINAL)
    if original is None:
        return set()
    before = original["details"]
    for record in records.values():
        original["details"] = {**original["details"], **record.get("baseline", {})}
    return set() if original["details"] == before else {ORIGINAL}


def _has_model(records: Records, stage: StageSpec) -> bool:
    return "model" in records.get(stage.name, {}).get("outputs", {})


def _test(
    execution: Execution, stage: StageSpec, record: dict[str, Any]
) -> dict[str, Any] | None:
    made = artifact(execution.directory, record, "model")
    context = execution.context(stage, {"model": made}, record["key"])
    return evaluating.model_figures(context, context.load("model"), "test")
