"""Turn the records of a run into one `Report`, plain data that JSON can hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from tfcompress import files
from tfcompress.report import formats
from tfcompress.report.files_made import (
    TfliteFile,
    belongs_to,
    original_file,
    tflite_files,
)
from tfcompress.report.network import (
    Curve,
    GroupChannels,
    Histogram,
    Surgery,
    channels,
    curves,
    histograms,
    surgeries,
)
from tfcompress.report.parity import Parity, read_parity
from tfcompress.report.progress import Step, steps
from tfcompress.report.records import Run, Stage, read_run
from tfcompress.report.searches import Search, searches
from tfcompress.report.sensitivities import LayerStudy, layer_studies
from tfcompress.report.sparsities import Sparsity, sparsities
from tfcompress.report.summary import Quantity, result_file, summarise
from tfcompress.report.verdicts import Verdict, judge


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageNote:
    """How one stage was run."""

    name: str
    kind: str
    config: Mapping[str, Any]
    seed: float | None
    seconds: float | None
    key: str | None
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataNote:
    """The data that the run was trained and measured on."""

    name: str | None
    task: str | None
    class_names: tuple[str, ...]
    sizes: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    fingerprint: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a run's records say, ready to be shown.

    Attributes:
        verdict: What was gained, in one sentence, and whether parity passed.
        summary: Before and after, one row per quantity.
        missing: What the records do not say, one sentence each.
    """

    name: str
    command: str | None
    verdict: Verdict
    summary: tuple[Quantity, ...]
    steps: tuple[Step, ...]
    channels: tuple[GroupChannels, ...]
    scales: Mapping[str, tuple[Histogram, ...]]
    curves: tuple[Curve, ...]
    searches: tuple[Search, ...]
    sparsities: tuple[Sparsity, ...]
    surgery: tuple[Surgery, ...]
    parity: tuple[Parity, ...]
    layer_studies: tuple[LayerStudy, ...]
    original_file: TfliteFile | None
    files: tuple[TfliteFile, ...]
    stages: tuple[StageNote, ...]
    data: DataNote
    environment: Mapping[str, Any]
    workflow: Mapping[str, Any]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"schema": 1, **_plain(dataclasses.asdict(self))}


def build(run_dir: files.PathLike) -> Report:
    """Read the stage records of a run directory and bring them together.

    Only JSON is read, so a report can be made on another machine, without TensorFlow,
    and of a run that is not finished: what is not there yet is named in ``missing``.

    Args:
        run_dir: The directory of `tfcompress run`, with `run.json` and `<stage>.json`.

    Returns:
        The report; `write` makes the files of it.

    Raises:
        DataError: If there is no stage record, or one is malformed.
    """
    run = read_run(run_dir)
    parity = tuple(check for check in _checks(run) if check)
    summary = tuple(summarise(run))
    made = tuple(tflite_files(run))
    original = original_file(next(iter(run.find("original")), None))
    scales = {stage.name: tuple(histograms(stage)) for stage in run.stages}
    report = Report(
        name=run.name,
        command=run.command,
        verdict=judge(summary, parity, result_file(run)),
        summary=summary,
        steps=tuple(steps(run)),
        channels=tuple(channels(run)),
        scales={name: found for name, found in scales.items() if found},
        curves=tuple(curve for stage in run.stages for curve in curves(stage)),
        searches=tuple(searches(run)),
        sparsities=tuple(sparsities(run)),
        surgery=tuple(surgeries(run)),
        parity=parity,
        layer_studies=tuple(layer_studies(run)),
        original_file=original,
        files=made,
        stages=tuple(_stage_note(stage) for stage in run.stages),
        data=_data_note(run),
        environment=run.environment,
        workflow=run.workflow,
        missing=run.missing,
    )
    return dataclasses.replace(report, missing=(*run.missing, *_gaps(report)))


def _checks(run: Run) -> list[Parity | None]:
    made = {stage.name: belongs_to(run, stage) for stage in run.stages}
    return [
        read_parity(stage, of=of.name if (of := made[stage.name]) else None)
        for stage in run.stages
    ]


def _gaps(report: Report) -> list[str]:
    """Name the parts of a full report that no record fills."""
    original = report.original_file
    parts = {
        "No score of the result is recorded.": any(
            row.key == "score" and row.after is not None for row in report.summary
        ),
        "No removed channels are recorded.": report.channels or report.sparsities,
        "No histograms of BatchNorm scales are recorded.": (
            report.scales or report.searches or report.sparsities
        ),
        "No training history is recorded.": report.curves or report.searches,
        "No .tflite file is recorded.": report.files,
        "No float32 .tflite of the original to compare the file with.": (
            original is not None and original.file_bytes is not None
        ),
        "No parity check is recorded.": report.parity,
        "No latency of the file is recorded.": any(
            file.latencies for file in report.files
        ),
        "The command of the run is not recorded.": report.command,
        "The environment is not recorded.": report.environment,
    }
    return [sentence for sentence, there in parts.items() if not there]


def _stage_note(stage: Stage) -> StageNote:
    return StageNote(
        name=stage.name,
        kind=stage.kind,
        config=stage.config,
        seed=stage.seed,
        seconds=stage.seconds,
        key=stage.key,
        inputs=stage.inputs,
        outputs=stage.outputs,
    )


def _data_note(run: Run) -> DataNote:
    data = run.dataset
    task = data.values.get("task")
    if isinstance(task, Mapping):  # in short: the labels are said once, below
        task = ", ".join(str(task[key]) for key in ("kind", "metric") if task.get(key))
    return DataNote(
        name=data.text("name"),
        task=formats.plain(task) if task else None,
        class_names=tuple(data.texts("class_names")),
        sizes=data.inside("sizes").values,
        preprocessing=data.inside("preprocessing").values,
        fingerprint=data.text("fingerprint"),
    )


def _plain(value: Any) -> Any:
    """Make lists of tuples, and ``None`` of the numbers that JSON has no words for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
