"""The records of a run directory: `run.json` and one JSON file for each stage.

A report needs nothing else: no model, no data set, no TensorFlow.  `run.json` names the
stages in order; each of them wrote `<stage>.json`.  Without `run.json` every stage
record in the folder is taken, in the order in which they started.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from tfcompress import errors, files
from tfcompress.report.reading import Reader

SCHEMA = 1  # of the stage records and of run.json
OWN_NAMES = ("run", "report")  # JSON files in a run directory that are no stage record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """How well a model did on one part of the data.

    ``value`` is ``None`` where it was not finite.
    """

    metric: str
    value: float | None
    higher_is_better: bool = True
    num_examples: int | None = None
    per_class: Mapping[str, float] = dataclasses.field(default_factory=dict)
    worst_class: str | None = None
    worst_recall: float | None = None
    outputs: Mapping[str, Score] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, reader: Reader) -> Score | None:
        """Read an evaluation; an empty object is no score."""
        if not reader.values:
            return None
        name, recall = _worst_class(reader)
        up = reader.flag("higher_is_better")
        examples = reader.number("num_examples")
        return cls(
            metric=reader.text("metric") or "metric",
            value=reader.number("value"),
            higher_is_better=True if up is None else up,
            num_examples=None if examples is None else int(examples),
            per_class=_numbers_by_name(reader, "per_class"),
            worst_class=name,
            worst_recall=recall,
            outputs=_outputs(reader.inside("outputs")),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage's record, checked."""

    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    macs: int | float | None
    params: int | float | None
    weight_bytes: int | float | None
    file_bytes: int | float | None
    gzip_bytes: int | float | None
    validation: Score | None
    test: Score | None
    record: Reader  # the rest: channels, surgery, scales, history
    details: Reader
    seconds: int | float | None
    seed: int | float | None
    key: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """All records of one run directory."""

    name: str
    command: str | None
    workflow: Mapping[str, Any]
    environment: Mapping[str, Any]
    dataset: Reader
    stages: tuple[Stage, ...]
    missing: tuple[str, ...]  # sentences about what is not there

    def find(self, kind: str) -> list[Stage]:
        """Return the stages of this kind, in order."""
        return [stage for stage in self.stages if stage.kind == kind]


def read_run(run_dir: files.PathLike) -> Run:
    """Read every record of `run_dir`.

    Raises:
        DataError: If the folder is not there or holds no stage record, a record is
            malformed, or another version of the toolkit wrote it.
    """
    folder = pathlib.Path(run_dir)
    missing: list[str] = []
    run_file = folder / "run.json"
    run = Reader("run.json", {})
    if run_file.exists():
        run = _read(run_file)
    else:
        missing.append("run.json is not there: no command, workflow or environment.")
    stages = _stages(folder, run.texts("stages"), missing)
    if not stages:
        raise errors.DataError(
            f"This folder holds no finished stage. Received: {folder}. Pass the "
            "directory of a run: `tfcompress run workflow.toml -o runs/x` makes one."
        )
    return Run(
        name=run.text("name") or folder.resolve().name,
        command=run.text("command"),
        workflow=run.inside("workflow").values,
        environment=run.inside("environment").values,
        dataset=run.inside("dataset"),
        stages=tuple(stages),
        missing=tuple(missing),
    )


def read_stage(path: files.PathLike) -> Stage | None:
    """Read one stage record; ``None`` if the stage has not ended.

    Raises:
        DataError: If the record is malformed.
    """
    path = pathlib.Path(path)
    reader = _read(path)
    if (reader.text("status") or "done") != "done":
        return None
    model, cost = reader.inside("model"), reader.inside("model").inside("cost")
    evaluation = reader.inside("evaluation")
    return Stage(
        name=reader.text("name", "stage") or path.stem,
        kind=reader.text("stage") or path.stem,
        config=reader.inside("config").values,
        inputs=reader.inside("inputs").values,
        outputs=reader.inside("outputs").values,
        macs=cost.number("macs"),
        params=cost.number("params"),
        weight_bytes=cost.number("size_bytes"),
        file_bytes=model.number("file_bytes"),
        gzip_bytes=model.number("gzip_bytes"),
        validation=Score.read(evaluation.inside("validation")),
        test=Score.read(evaluation.inside("test")),
        record=reader,
        details=reader.inside("details"),
        seconds=reader.number("seconds"),
        seed=reader.number("seed"),
        key=reader.text("key"),
    )


def _stages(folder: pathlib.Path, names: list[str], missing: list[str]) -> list[Stage]:
    stages = []
    for path in _paths(folder, names):
        if not path.exists():
            if path.stem != "report":  # it is being written
                missing.append(f"Stage {path.stem} has no record: it has not run.")
            continue
        stage = read_stage(path)
        if stage is None:
            missing.append(f"Stage {path.stem} has not ended.")
        else:
            stages.append(stage)
    if not names:
        stages.sort(
            key=lambda s: (s.kind != "original", s.record.text("started") or "")
        )
    if stages and stages[0].kind != "original":
        missing.append("The original model was not measured: nothing to compare with.")
    return stages


def _paths(folder: pathlib.Path, names: list[str]) -> list[pathlib.Path]:
    if names:
        return [folder / f"{name}.json" for name in names if name not in OWN_NAMES]
    if not folder.is_dir():
        raise errors.DataError(
            f"There is no such run directory. Received: {folder}. Check the path."
        )
    found = sorted(path for path in folder.glob("*.json") if path.stem not in OWN_NAMES)
    return [path for path in found if "stage" in files.read_json(path)]


def _read(path: pathlib.Path) -> Reader:
    reader = Reader(path.name, files.read_json(path))
    schema = reader.number("schema")
    if schema != SCHEMA:
        raise errors.DataError(
            "Another version of tfcompress wrote this record. Received: "
            f"{path} with schema={reader.values.get('schema')!r}; this one reads "
            f"schema {SCHEMA}. Repeat the run with this version."
        )
    return reader


def _worst_class(reader: Reader) -> tuple[str | None, float | None]:
    worst = reader.values.get("worst_class")
    if worst is None:
        return None, None
    if isinstance(worst, Mapping):
        inner = reader.inside("worst_class")
        return inner.text("name", "class"), inner.number("recall", "value")
    if (
        isinstance(worst, list)
        and len(worst) == 2
        and isinstance(worst[1], int | float)
    ):
        return str(worst[0]), float(worst[1])
    return reader.refuse("worst_class", worst, "a class name with its recall")


def _outputs(reader: Reader) -> dict[str, Score]:
    scores = {name: Score.read(reader.inside(name)) for name in reader.values}
    return {name: score for name, score in scores.items() if score}


def _numbers_by_name(reader: Reader, key: str) -> dict[str, float]:
    inner = reader.inside(key)
    values = {name: inner.number(name) for name in inner.values}
    return {name: float(value) for name, value in values.items() if value is not None}
