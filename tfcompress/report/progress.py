"""The score from stage to stage: where accuracy is lost and where it comes back."""

from __future__ import annotations

import dataclasses

from tfcompress.report.parity import read_parity
from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Score, Stage


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
    """Read `details.steps`: `{step, validation, test}`, numbers of the same metric."""
    return [
        Step(
            stage=stage.name,
            name=item.text("step", "name") or "step",
            metric=metric.metric if metric else "metric",
            higher_is_better=metric.higher_is_better if metric else True,
            validation=_number(item, "validation"),
            test=_number(item, "test"),
            macs=item.number("macs"),
            params=item.number("params"),
            seconds=item.number("seconds"),
            inner=True,
        )
        for item in stage.details.items("steps")
    ]


def _number(reader: Reader, key: str) -> float | None:
    if isinstance(reader.values.get(key), dict):
        score = Score.read(reader.inside(key))
        return score.value if score else None
    return reader.number(key)


def _metric(run: Run, stage: Stage) -> Score | None:
    """The stage's own metric, else the first that any stage has."""
    own = stage.test or stage.validation
    if own is not None:
        return own
    scores = [score for other in run.stages for score in (other.test, other.validation)]
    return next((score for score in scores if score), None)
