"""The score from stage to stage: where accuracy is lost and where it comes back."""

from __future__ import annotations

import dataclasses

from tfcompress.report.parity import read_parity
from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Score, Stage

_PASS_STEPS = {
    "sparse": "scales regularised",
    "cut": "after the cut",
    "retrained": "retrained",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """The state of the model after one stage, or after one step inside a stage."""

    stage: str
    name: str
    metric: str
    higher_is_better: bool
    validation: float | None
    test: float | None
    macs: float | None
    params: float | None
    seconds: float | None
    inner: bool = False  # a step inside a stage


def steps(run: Run) -> list[Step]:
    """Return one step per stage, and the steps inside stages that recorded them."""
    found: list[Step] = []
    for stage in run.stages:
        metric = _metric(run, stage)
        found += _inner_steps(stage, metric)
        found.append(_step(stage, metric))
    return found


def _step(stage: Stage, metric: Score | None) -> Step:
    validation, test = stage.validation, stage.test
    parity = read_parity(stage)
    if parity and parity.tflite and parity.split == "test":
        test = parity.tflite
    elif parity and parity.tflite and parity.split == "validation":
        validation = parity.tflite
    return Step(
        stage=stage.name,
        name=stage.name,
        metric=metric.metric if metric else "metric",
        higher_is_better=metric.higher_is_better if metric else True,
        validation=validation.value if validation else None,
        test=test.value if test else None,
        macs=stage.macs,
        params=stage.params,
        seconds=stage.seconds,
    )


def _inner_steps(stage: Stage, metric: Score | None) -> list[Step]:
    """Read the passes of a slimming: after sparse training, after the cut, retrained.

    The last pass that was kept ends with the stage's own result, which comes anyway.
    """
    passes = stage.details.items("passes")
    kept = [index for index, p in enumerate(passes) if p.flag("kept") is not False]
    found = []
    for index, reader in enumerate(passes):
        last = kept and index == kept[-1]
        part = f"pass {index + 1}, " if len(passes) > 1 else ""
        dropped = "" if index in kept else " (pass not kept)"
        for key, name in _PASS_STEPS.items():
            value = reader.number(key)
            if value is not None and not (last and key == "retrained"):
                name = f"{part}{name}{dropped}"
                found.append(_inner_step(stage, metric, reader, name, value))
    return found


def _inner_step(
    stage: Stage, metric: Score | None, reader: Reader, name: str, value: float
) -> Step:
    return Step(
        stage=stage.name,
        name=name,
        metric=metric.metric if metric else reader.text("metric") or "metric",
        higher_is_better=metric.higher_is_better if metric else True,
        validation=value,
        test=None,
        macs=None,
        params=None,
        seconds=None,
        inner=True,
    )


def _metric(run: Run, stage: Stage) -> Score | None:
    """The stage's own metric, else the first that any stage has."""
    own = stage.test or stage.validation
    if own is not None:
        return own
    scores = [score for other in run.stages for score in (other.test, other.validation)]
    return next((score for score in scores if score), None)
