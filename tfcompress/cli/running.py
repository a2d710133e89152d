"""What the commands that run stages have in common: progress, record, exit code."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import click

from tfcompress.cli import options, state

CHECK_FAILED = 3


def run(
    workflow: Any,
    directory: pathlib.Path,
    *,
    force: bool,
    as_json: bool,
    command: str,
) -> int:
    """Run a workflow, print what came out, and return the exit code."""
    state.load_tensorflow()
    from tfcompress import pipeline
    from tfcompress.cli import progress, tables

    state.resumable("" if not force else " without --force")
    with progress.Display() as display:
        result = pipeline.run_workflow(
            workflow, directory, force=force, command=command, observer=display
        )
    if as_json:
        state.emit_json(result.to_dict())
    else:
        tables.run(result)
    return _code(result.failures)


def single(kind: str, given: Mapping[str, Any]) -> int:
    """Run one stage alone from a command's options, and return the exit code."""
    state.load_tensorflow()
    from tfcompress import pipeline
    from tfcompress.cli import progress, tables

    values = dict(given)
    as_json, force = values.pop("as_json"), values.pop("force")
    output, seed = values.pop("output"), values.pop("seed", 0)
    save_model = values.pop("save_model", None)
    _check_teacher(values)
    model, data = options.split(values)
    inputs = {
        role: values.pop(role) for role in ("teacher", "file") if values.get(role)
    }
    with progress.Display() as display, tempfile.TemporaryDirectory() as nowhere:
        record = pipeline.run_stage(
            kind,
            options.given(**values),
            model=pipeline.ModelSource.from_dict(model),
            data_source=_data_source(data, seed),
            output=output or pathlib.Path(nowhere, f"{kind}.json"),
            inputs=inputs,
            save_model=save_model,
            seed=seed,
            force=force,
            observer=display,
        )
    if as_json:
        state.emit_json(record)
    else:
        tables.stage(record, *(path for path in (output, save_model) if path))
    return _code([] if record["passed"] else [record["verdict"]])


def _check_teacher(values: Mapping[str, Any]) -> None:
    """Refuse options that say how to learn from a teacher where there is none."""
    if values.get("teacher") is None:
        for name in ("temperature", "alpha"):
            if values.get(name) is not None:
                raise click.UsageError(f"--{name} needs --teacher.")


def _data_source(settings: Mapping[str, Any], seed: int) -> Any:
    from tfcompress import pipeline

    if "source" not in settings:
        if settings:
            name = next(iter(settings)).replace("_", "-")
            raise click.UsageError(f"--{name} needs --data.")
        return None
    return pipeline.DataSource.from_dict({"seed": seed, **settings})


def _code(failures: Any) -> int:
    for failure in failures:
        click.echo(f"Check failed: {failure}.", err=True)
    return CHECK_FAILED if failures else 0
