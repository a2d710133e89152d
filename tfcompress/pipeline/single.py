"""Run one stage alone, with the same files, record and resuming as in a run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from tfcompress import config, data, errors, files
from tfcompress.graph.loading import check_file
from tfcompress.pipeline import evaluating, records, settings
from tfcompress.pipeline.execution import STATE, Execution
from tfcompress.pipeline.fingerprints import file_fingerprint
from tfcompress.pipeline.observer import Observer
from tfcompress.pipeline.sources import DataSource, ModelSource
from tfcompress.pipeline.stages import KINDS
from tfcompress.pipeline.stages.context import Artifact
from tfcompress.pipeline.workflow import StageSpec

_SUFFIXES = {"model": ".keras", "file": ".tflite", "plan": ".json", None: ".json"}


def run_stage(  # noqa: PLR0913 -- what a command line may say
    kind: str,
    stage_settings: Mapping[str, Any],
    *,
    model: ModelSource,
    data_source: DataSource | None,
    output: files.PathLike,
    inputs: Mapping[str, files.PathLike] | None = None,
    save_model: files.PathLike | None = None,
    seed: int = 0,
    force: bool = False,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Run one stage on a model file and write its result and record.

    The record of ``small.keras`` is ``small.json``, of ``small.tflite`` it is
    ``small.tflite.json``, of the plan ``plan.json`` that `amc` writes it is
    ``plan.amc.json``.

    Args:
        kind: Key of `KINDS`.
        stage_settings: Its settings; defaults fill the rest.
        model: The model that it reads.
        data_source: The data, where the stage needs any.
        output: The file to write; the record lies beside it as .json.
        inputs: Other files that it reads, by role (``teacher``, ``file``).
        save_model: Where the model goes too, if the output is a plan.
        seed: Seed of all random choices.
        force: Overwrite an output that exists.
        observer: Told how far the stage is.

    Returns:
        The record, with the figures of the input model under ``before``.

    Raises:
        OutputError: If the output exists, has the wrong suffix, or is a file that the
            stage reads.
        LockedError: If another process is making the same output.
        TfCompressError: Whatever stops the stage.
    """
    output = pathlib.Path(output)
    stage = _spec(kind, stage_settings, output, seed, data_source)
    places = _places(kind, output, save_model)
    found = {"model": pathlib.Path(str(model.path)), **_paths(inputs)}
    written = (output, _record_path(kind, output), *places.values())
    for path in written:
        files.refuse_same(path, [*found.values(), *_settings_files(stage)])
        files.refuse_existing(path, force=force)
    artifacts = {role: _artifact(role, path) for role, path in found.items()}
    execution = Execution(
        directory=output.parent,
        model=model,
        data_source=data_source,
        open_data=functools.cache(lambda: _open(data_source)),
        observer=observer or Observer(),
        force=True,
        original=found.get("teacher", found["model"]),
        infix=_infix(kind),
        places=places,
        keep_model=_made(kind) != "plan" or save_model is not None,
    )
    if kind == "verify":
        artifacts["reference"] = artifacts.pop("model")
    return _run_locked(execution, stage, artifacts)


def _run_locked(
    execution: Execution, stage: StageSpec, artifacts: Mapping[str, Artifact]
) -> dict[str, Any]:
    place = execution.directory / STATE
    with files.lock(place / f"{stage.name}.lock"):
        execution.observer.stage_started(stage.name, stage.kind, index=0, total=1)
        record, _ = execution.run(stage, artifacts)
        record = _with_figures(execution, stage, artifacts, record)
        path = execution.directory / f"{record['name']}.json"
        records.write_record(path, record)
        execution.observer.stage_finished(stage.name, record)
    shutil.rmtree(place / f"{stage.name}.lock", ignore_errors=True)
    with contextlib.suppress(OSError):  # another output may be in the making
        place.rmdir()
    plain: dict[str, Any] = records.plain(record)
    return plain


def _with_figures(
    execution: Execution,
    stage: StageSpec,
    artifacts: Mapping[str, Artifact],
    record: dict[str, Any],
) -> dict[str, Any]:
    """Add the input's cost and both models' figures; test figures of a kept model."""
    if KINDS[stage.kind].makes != "model":
        return record
    context = execution.context(stage, artifacts, record["key"])
    before = context.load("model")
    record["before"] = {"cost": records.cost_of(before), "evaluation": {}}
    if execution.data_source is None:
        return record
    splits = ("validation", "test") if execution.keep_model else ("validation",)
    record["before"]["evaluation"] = {
        split: evaluating.model_figures(context, before, split) for split in splits
    }
    if not execution.keep_model:
        return record
    after = context.model.load(context.path(".keras"))
    record["evaluation"]["test"] = evaluating.model_figures(context, after, "test")
    return record


def _spec(
    kind: str,
    stage_settings: Mapping[str, Any],
    output: pathlib.Path,
    seed: int,
    data_source: DataSource | None,
) -> StageSpec:
    known = [field.name for field in dataclasses.fields(KINDS[kind].config)]
    for key, value in stage_settings.items():
        config.check_known(key, known, owner=f"stage {kind!r}", value=value)
    built = settings.with_seed(KINDS[kind].config, dict(stage_settings), seed)
    # Whether `convert` needs data the model has to tell: a trained one has its ranges.
    needed = kind != "convert" and KINDS[kind].needs_data(built)
    if data_source is None and needed:
        raise errors.ConfigError(
            f"This needs data. Received: `{kind}` without a data set. Give `--data`: "
            "fashion-mnist, a .npz file, an image folder or package.module:function."
        )
    return StageSpec(name=output.stem, kind=kind, config=built)


def _record_path(kind: str, output: pathlib.Path) -> pathlib.Path:
    return output.with_name(f"{output.stem}{_infix(kind)}.json")


def _settings_files(stage: StageSpec) -> list[str]:
    """Return the files that the settings name."""
    named = (getattr(stage.config, name, None) for name in settings.FILES)
    return [path for path in named if isinstance(path, str)]


def _made(kind: str) -> str | None:
    return KINDS[kind].alone or KINDS[kind].makes


def _infix(kind: str) -> str:
    """Tell small.keras and small.tflite apart, and a plan and its record."""
    return {"file": ".tflite", "plan": f".{kind}"}.get(str(_made(kind)), "")


def _places(
    kind: str, output: pathlib.Path, save_model: files.PathLike | None
) -> dict[str, pathlib.Path]:
    """Return where outputs go that are not named after the stage.

    Raises:
        OutputError: If a file has the wrong suffix.
    """
    suffix = _SUFFIXES[_made(kind)]
    if output.suffix != suffix:
        raise errors.OutputError(
            f"`{kind}` writes a {suffix} file. Received: -o {output}. Name it "
            f"{output.with_suffix(suffix).name}."
        )
    places = {".plan.json": output} if _made(kind) == "plan" else {}
    if save_model is not None:
        path = pathlib.Path(save_model)
        if path.suffix != ".keras":
            raise errors.OutputError(
                f"The model goes into a .keras file. Received: --save-model {path}. "
                f"Name it {path.with_suffix('.keras').name}."
            )
        places[".keras"] = path
    return places


def _artifact(role: str, path: pathlib.Path) -> Artifact:
    if role != "file":
        check_file(path)
    elif not path.is_file():
        raise errors.TfliteFileError(
            f"There is no such .tflite file. Received: {path}. Check the path."
        )
    return Artifact(path, file_fingerprint(path))


def _paths(inputs: Mapping[str, files.PathLike] | None) -> dict[str, pathlib.Path]:
    return {role: pathlib.Path(path) for role, path in (inputs or {}).items()}


def _open(source: DataSource | None) -> data.Dataset:
    if source is None:
        raise errors.DataError("This needs data. Received: none. Give `--data`.")
    return source.load()
