"""Run one stage, or find that its result is there: the unit that a run repeats.

The order of writing makes a kill harmless: first the files, then the record that names
them, then the training state goes.  A record with the right key whose files are as it
says means "done"; anything else runs again, and a training goes on from its state.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from tfcompress import data, errors, files
from tfcompress.pipeline import evaluating, records, settings
from tfcompress.pipeline.fingerprints import file_fingerprint, stage_key
from tfcompress.pipeline.observer import Observer
from tfcompress.pipeline.sources import DataSource, ModelSource
from tfcompress.pipeline.stage_logs import progress_line, stage_log
from tfcompress.pipeline.stages import KINDS, ORIGINAL, Kind
from tfcompress.pipeline.stages.context import (
    Artifact,
    Outcome,
    StageContext,
    save_model,
)
from tfcompress.pipeline.workflow import StageSpec

_LOG = logging.getLogger(__name__)
STATE = ".state"  # folder of unfinished trainings in a run directory


@dataclasses.dataclass(kw_only=True)
class Execution:
    """What the stages of one run share.

    Attributes:
        directory: Where files and records go.
        model: The run's model.
        data_source: The run's data, if any.
        open_data: Opens the data set.
        observer: Who watches.
        force: Run stages although their result is there.
        original: The run's input model, once it is there.
        infix: Put behind a stage's name in the names of its record and log.
        places: Where outputs go that do not lie in `directory`, by suffix.
        keep_model: Whether a model that a stage made is saved.
    """

    directory: pathlib.Path
    model: ModelSource
    data_source: DataSource | None
    open_data: Callable[[], data.Dataset]
    observer: Observer
    force: bool = False
    original: pathlib.Path | None = None
    infix: str = ""
    places: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    keep_model: bool = True

    def run(
        self, stage: StageSpec, inputs: Mapping[str, Artifact]
    ) -> tuple[dict[str, Any], bool]:
        """Return the record of a stage, and whether it was there already."""
        kind = _kind(stage)
        key = self.key(stage, inputs)
        record_path = self.directory / f"{stage.name}{self.infix}.json"
        if not self.force and kind.makes_record:
            record = finished_record(record_path, key)
            if record is not None:
                return record, True
        context = self.context(stage, inputs, key)
        with stage_log(self.directory / f"{stage.name}{self.infix}.log"):
            record = self._work(stage, context, kind, key)
        if kind.makes_record:
            records.write_record(record_path, record)
        shutil.rmtree(context.state_dir, ignore_errors=True)
        return record, False

    def key(self, stage: StageSpec, inputs: Mapping[str, Artifact]) -> str:
        """Return the name of this stage's result: settings and contents read."""
        config = stage.config.to_dict()
        for name in settings.FILES:
            path = config.get(name)
            if isinstance(path, str) and pathlib.Path(path).is_file():
                config[name] = file_fingerprint(
                    pathlib.Path(path)
                )  # its content counts
        if stage.kind == "original":
            config = {**config, "model": self.model.to_dict()}
            config["model"].pop("path")  # its content counts
        uses_data = self.data_source is not None and stage.kind not in (
            "benchmark",
            "report",
        )
        return stage_key(
            kind=stage.kind,
            config=config,
            inputs={role: found.fingerprint for role, found in inputs.items()},
            data=data_key(self.data_source, self.open_data()) if uses_data else None,
        )

    def context(
        self, stage: StageSpec, inputs: Mapping[str, Artifact], key: str
    ) -> StageContext:
        """Return what the stage's function is given."""
        return StageContext(
            name=stage.name,
            directory=self.directory,
            config=stage.config,
            model=self.model,
            inputs=inputs,
            original=self.original,
            data_source=self.data_source,
            open_data=self.open_data,
            state_dir=self.directory / STATE / f"{stage.name}-{key}",
            progress=lambda done: self._progress(stage.name, done),
            places=self.places,
        )

    def _progress(self, name: str, done: Any) -> None:
        """Pass the progress on, and log each finished epoch or plan."""
        line = progress_line(done)
        if line:
            _LOG.info(line)
        self.observer.progress(name, done)

    def _work(
        self, stage: StageSpec, context: StageContext, kind: Kind, key: str
    ) -> dict[str, Any]:
        started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
        _LOG.info("%s (%s) with %s", stage.name, stage.kind, stage.config.to_dict())
        try:
            outcome = kind.run(context)
            outputs = self._outputs(context, outcome)
            model = _model_section(context, outcome, outputs)
            evaluation = _evaluation(context, outcome)
        except errors.TfCompressError as error:
            _LOG.info("failed: %s", error)
            raise
        _LOG.info("%s done", stage.name)
        return {
            "schema": records.SCHEMA,
            "stage": stage.kind,
            "name": f"{stage.name}{self.infix}",
            "status": "done",
            "config": stage.config.to_dict(),
            "inputs": {role: f.path.name for role, f in context.inputs.items()},
            "outputs": {role: path.name for role, path in outputs.items()},
            "fingerprints": {
                role: file_fingerprint(path) for role, path in outputs.items()
            },
            "model": model,
            "evaluation": evaluation,
            "channels": outcome.channels,
            "surgery": outcome.surgery,
            "scales": outcome.scales,
            "history": outcome.history,
            "details": outcome.details,
            "baseline": outcome.baseline,
            "passed": outcome.passed,
            "verdict": outcome.verdict,
            "seed": getattr(stage.config, "seed", 0),
            "seconds": time.perf_counter() - clock,
            "started": started.isoformat(timespec="seconds"),
            "key": key,
        }

    def _outputs(
        self, context: StageContext, outcome: Outcome
    ) -> dict[str, pathlib.Path]:
        """Return the files that a stage made, by role; a model is saved now."""
        if outcome.model is not None and self.keep_model:
            path = context.path(".keras")
            save_model(outcome.model, path)
            return {"model": path}
        return {} if outcome.file is None else {"file": outcome.file}


def finished_record(path: pathlib.Path, key: str | None) -> dict[str, Any] | None:
    """Return the record of a stage that is done with this key and intact files."""
    if not path.exists():
        return None
    try:
        record = files.read_json(path)
    except errors.DataError:
        return None  # half a record cannot be, but a user's file can
    if record.get("status") != "done" or key not in (None, record.get("key")):
        return None
    for role, name in record.get("outputs", {}).items():
        made = path.parent / name
        expected = record.get("fingerprints", {}).get(role)
        if not made.exists() or file_fingerprint(made) != expected:
            return None
    return record


def artifact(directory: pathlib.Path, record: Mapping[str, Any], role: str) -> Artifact:
    """Return the file that a finished stage made."""
    return Artifact(directory / record["outputs"][role], record["fingerprints"][role])


def data_key(source: DataSource | None, dataset: data.Dataset) -> str:
    """Return the name of a data set together with what is learned from it."""
    settings = {} if source is None else source.to_dict()
    settings.pop("source", None)  # its content counts
    return files.fingerprint(dataset.fingerprint, repr(sorted(settings.items())))


def _kind(stage: StageSpec) -> Kind:
    return ORIGINAL if stage.kind == "original" else KINDS[stage.kind]


def _model_section(
    context: StageContext, outcome: Outcome, outputs: Mapping[str, pathlib.Path]
) -> dict[str, Any]:
    """Describe what the stage made: name, cost, bytes."""
    if outcome.model is not None:
        kept = outputs.get("model")
        sizes = {} if kept is None else records.file_sizes(kept)
        cost = records.cost_of(outcome.model)
        return {"name": outcome.model.name, "cost": cost, **sizes}
    if outcome.file is not None:
        model = context.load("model")
        sizes = records.file_sizes(outcome.file)
        return {"name": model.name, "cost": records.cost_of(model), **sizes}
    return {}


def _evaluation(context: StageContext, outcome: Outcome) -> dict[str, Any]:
    """Measure the stage's model on the held-out part, which decisions use."""
    validation = evaluating.validation(context, outcome) if context.has_data else None
    return {"validation": validation, "test": None}
