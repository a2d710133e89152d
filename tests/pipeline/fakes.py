"""Stages that are quick and leave a trace, so that tests see what a run repeats."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal

import keras
import numpy as np

from tfcompress.config import Config
from tfcompress.pipeline import execution, parse_workflow, run_workflow, stages
from tfcompress.pipeline.stages import Kind, Outcome

RAN: list[str] = []  # names of the stages that really ran
KILL_AT: list[str] = []  # points at which the process kills itself


@dataclasses.dataclass(frozen=True, kw_only=True)
class AddConfig(Config):
    """Adds a number to every weight, in epochs."""

    amount: float = 1.0
    epochs: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class WriteConfig(Config):
    """Writes the sum of the weights."""

    text: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckConfig(Config):
    """Compares the sum with a limit."""

    limit: float = 1e9


def original(context):
    RAN.append("original")
    return Outcome(model=context.load("model"))


def add(context):
    RAN.append(context.name)
    _die("stage", context.name)
    model = context.load("model")
    for epoch in range(context.config.epochs):
        state = context.state_dir / f"epoch{epoch}"
        if not state.exists():
            RAN.append(f"{context.name} epoch {epoch}")
            state.parent.mkdir(parents=True, exist_ok=True)
            state.touch()
        _die(f"epoch{epoch}", context.name)
    for variable in model.variables:
        variable.assign(variable + context.config.amount)
    return Outcome(model=model, details={"added": context.config.amount})


def write(context):
    RAN.append(context.name)
    total = sum(float(np.sum(w)) for w in context.load("model").get_weights())
    path = context.path(".tflite")
    path.write_text(f"{context.config.text}{total}")
    return Outcome(file=path)


def check(context):
    RAN.append(context.name)
    value = float(context.inputs["file"].path.read_text())
    return Outcome(
        details={"value": value},
        passed=value <= context.config.limit,
        verdict=f"{value} is above {context.config.limit}",
        baseline={"benchmark": [{"p50_ms": 1.0}]},
    )


def kinds() -> dict[str, Kind]:
    """Return the table of the fake stages."""
    free = {"needs_data": lambda _config: False}
    model = {"model": "input"}
    return {
        "add": Kind(config=AddConfig, run=add, makes="model", roles=model, **free),
        "write": Kind(config=WriteConfig, run=write, makes="file", roles=model, **free),
        "check": Kind(config=CheckConfig, run=check, roles={"file": "input"}, **free),
    }


def install(monkeypatch) -> None:
    """Put the fake stages in place of the real ones for one test."""
    RAN.clear()
    for name, kind in kinds().items():
        monkeypatch.setitem(stages.KINDS, name, kind)
    fake = dataclasses.replace(stages.ORIGINAL, run=original)
    monkeypatch.setattr(execution, "ORIGINAL", fake)
    monkeypatch.setattr(execution.evaluating, "validation", lambda *_: None)


def make_model(path: pathlib.Path, value: float = 1.0) -> pathlib.Path:
    """Save a network of one Dense layer whose weights are all `value`."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="net")
    model.set_weights([np.full(w.shape, value) for w in model.get_weights()])
    model.save(path)
    return path


def workflow(model: pathlib.Path, **settings):
    """Return original -> first -> second -> file -> check."""
    return parse_workflow(
        {
            "model": {"path": str(model)},
            "stage": [
                {"kind": "add", "name": "first", **settings.get("first", {})},
                {"kind": "add", "name": "second", **settings.get("second", {})},
                {"kind": "write", "name": "file", **settings.get("file", {})},
                {"kind": "check", **settings.get("check", {})},
            ],
        },
        folder="/",
    )


def _die(point: str, name: str) -> None:
    if f"{name}:{point}" in KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(directory: pathlib.Path, kill_at: str) -> None:
    """Run the workflow once, and die at a point; for a process of its own."""
    import pytest

    KILL_AT.append(kill_at)
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        for name in ("save_model", "finished_record"):
            patch.setattr(execution, name, _dying(name, getattr(execution, name)))
        record = execution.records.write_record
        patch.setattr(execution.records, "write_record", _dying("record", record))
        model = directory.parent / "net.keras"
        run_workflow(workflow(model, second={"epochs": 3}), directory, command="c")


def _dying(point, function):
    """Wrap a function so that the process may die right after it."""

    def wrapped(*arguments):
        result = function(*arguments)
        path = next(a for a in arguments if isinstance(a, pathlib.Path))
        _die(point, path.stem)
        return result

    return wrapped
