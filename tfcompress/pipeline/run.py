"""Run a workflow into a directory: resumable, locked, only what changed."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from tfcompress import data, errors, files
from tfcompress.graph.loading import check_file
from tfcompress.pipeline import final_figures, records
from tfcompress.pipeline.environment import environment
from tfcompress.pipeline.execution import STATE, Execution, artifact
from tfcompress.pipeline.fingerprints import file_fingerprint
from tfcompress.pipeline.observer import Observer
from tfcompress.pipeline.stages.context import Artifact
from tfcompress.pipeline.workflow import ORIGINAL, StageSpec, Workflow

_RUN_FILE = "run.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run ended with.

    Attributes:
        directory: The run directory.
        records: The stages' records, in order.
        failures: One line for each check that failed, with its stage.
    """

    directory: pathlib.Path
    records: tuple[Mapping[str, Any], ...]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "directory": str(self.directory),
            "passed": self.passed,
            "failures": list(self.failures),
            "stages": [dict(record) for record in self.records],
        }


def run_workflow(
    workflow: Workflow,
    directory: files.PathLike,
    *,
    force: bool = False,
    command: str | None = None,
    observer: Observer | None = None,
) -> RunResult:
    """Run the stages of a workflow; the same call again resumes where it was killed.

    Args:
        workflow: What to do.
        directory: Where models, records and logs go.  A stage whose settings and
            inputs are the same as in an earlier run there is not run again.
        force: Start over.
        command: The command line to record, so that the run can be repeated.
        observer: Told what happens.

    Returns:
        The records; ``passed`` says whether the checks held.

    Raises:
        OutputError: If the directory holds something else, or cannot be written.
        LockedError: If another process works in it.
        TfCompressError: Whatever stops a stage; what was done before it stays.
    """
    directory = pathlib.Path(directory)
    _refuse_foreign(directory)
    with files.lock(directory):
        return _Run(workflow, directory, force, command, observer or Observer()).run()


class _Run:
    """The state of one run while it goes on."""

    def __init__(
        self,
        workflow: Workflow,
        directory: pathlib.Path,
        force: bool,  # noqa: FBT001 -- private
        command: str | None,
        observer: Observer,
    ) -> None:
        self.workflow, self.directory, self.observer = workflow, directory, observer
        self.command = command
        if force:
            shutil.rmtree(directory / STATE, ignore_errors=True)
        self.execution = Execution(
            directory=directory,
            model=workflow.model,
            data_source=workflow.data,
            open_data=functools.cache(self._open_data),
            observer=observer,
            force=force,
        )
        self.records: dict[str, dict[str, Any]] = {}

    def run(self) -> RunResult:
        """Run every stage that has to run."""
        source = self._source()
        self._write_run_file()
        stages = self.workflow.stages
        for index, stage in enumerate(stages):
            if stage.kind == "report":
                self._finish_records()
            self.observer.stage_started(
                stage.name, stage.kind, index=index, total=len(stages)
            )
            self._stage(stage, source)
        self._finish_records()
        return self._result()

    def _stage(self, stage: StageSpec, source: Mapping[str, Artifact]) -> None:
        inputs = {
            role: artifact(self.directory, self.records[name], _role(role))
            for role, name in stage.inputs.items()
        }
        record, there = self.execution.run(stage, inputs or source)
        self.records[stage.name] = record
        if stage.name == ORIGINAL:
            self.execution.original = artifact(self.directory, record, "model").path
        if there:
            self.observer.stage_skipped(stage.name, record)
        else:
            self.observer.stage_finished(stage.name, record)

    def _source(self) -> dict[str, Artifact]:
        """Return the run's model file, checked before anything is written."""
        if self.workflow.model.path is None:
            return {}
        path = pathlib.Path(self.workflow.model.path)
        if not path.exists():
            raise errors.ModelError(
                f"There is no such model file. Received: {path}. Check `path` in "
                "[model]."
            )
        check_file(path)
        return {"model": Artifact(path, file_fingerprint(path))}

    def _open_data(self) -> data.Dataset:
        source = self.workflow.data
        if source is None:
            raise errors.DataError(
                "The run needs data. Received: none. Give `--data` or [data]."
            )
        return source.load()

    def _finish_records(self) -> None:
        """Add what is measured once, at the end, and write what changed."""
        changed = final_figures.add_test_figures(
            self.execution, self.workflow, self.records
        )
        changed |= final_figures.add_baselines(self.records)
        for name in sorted(changed):
            path = self.directory / f"{name}.json"
            records.write_record(path, self.records[name])

    def _write_run_file(self) -> None:
        dataset = self.execution.open_data() if self.workflow.data else None
        records.write_record(
            self.directory / _RUN_FILE,
            {
                "schema": records.SCHEMA,
                "name": self.workflow.name,
                "command": self.command,
                "workflow": self.workflow.to_dict(),
                "environment": environment(),
                "stages": [stage.name for stage in self.workflow.stages],
                "dataset": None if dataset is None else dataset.to_dict(),
            },
        )

    def _result(self) -> RunResult:
        failures = [
            f"{name}: {record['verdict']}"
            for name, record in self.records.items()
            if not record.get("passed", True)
        ]
        return RunResult(
            directory=self.directory,
            records=tuple(self.records.values()),
            failures=tuple(failures),
        )


def _role(role: str) -> str:
    """Return which output of another stage fills a role."""
    return "file" if role == "file" else "model"


def _refuse_foreign(directory: pathlib.Path) -> None:
    """Refuse to mix a run into a folder of something else."""
    if directory.is_file():
        raise errors.OutputError(
            f"A run needs a folder. Received: {directory}, which is a file. Choose "
            "another place with `-o`."
        )
    if not directory.exists() or (directory / _RUN_FILE).exists():
        return
    others = [p.name for p in directory.iterdir() if not p.name.startswith(".")]
    if others:
        raise errors.OutputError(
            f"The folder holds something other than a run. Received: {directory} with "
            f"{sorted(others)[0]!r}. Choose another one with `-o`."
        )
