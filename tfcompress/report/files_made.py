"""The `.tflite` files of a run: size, recipe, operators, latency.

A `convert` stage makes a file; a later `benchmark` or `verify` stage measures it and
names it among its inputs.  With one file in the run, they belong to that one.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from tfcompress.report import formats
from tfcompress.report.latencies import Latency, read_latency
from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Stage

FILE = ("conversion", "float32")  # where a stage's details describe its file


@dataclasses.dataclass(frozen=True, kw_only=True)
class TfliteFile:
    """One `.tflite` file and everything that the run measured of it."""

    stage: str
    path: str | None
    recipe: str | None
    file_bytes: float | None
    gzip_bytes: float | None
    operators: tuple[tuple[str, int], ...] = ()
    tensor_types: tuple[tuple[str, int], ...] = ()
    float_operators: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    latencies: tuple[Latency, ...] = ()
    gpu: tuple[str, ...] = ()

    @property
    def latency(self) -> Latency | None:
        """The main benchmark result: a device's before a host's, fewest threads."""
        known = [item for item in self.latencies if item.counts]
        return min(
            known,
            key=lambda item: (item.where != "device", item.num_threads or 0),
            default=None,
        )

    def latency_like(self, other: Latency) -> Latency | None:
        """Return the result that was measured as `other` was, if there is one."""

        def conditions(item: Latency) -> tuple[object, ...]:
            return item.where, item.num_threads, item.delegate

        alike = (i for i in self.latencies if conditions(i) == conditions(other))
        return next((item for item in alike if item.counts), None)


def original_file(stage: Stage | None) -> TfliteFile | None:
    """Return the float32 `.tflite` of the original model."""
    if stage is None:
        return None
    return _file(stage, [stage], recipe="float32")


def tflite_files(run: Run) -> list[TfliteFile]:
    """Return the converted files, in the order in which they were made."""
    converts = run.find("convert")
    files = []
    for stage in converts:
        users = [
            other
            for other in run.stages
            if other.kind in ("verify", "benchmark", "inspect")
            and (len(converts) == 1 or _uses(other, stage))
        ]
        files.append(_file(stage, [stage, *users]))
    return files


def belongs_to(run: Run, stage: Stage) -> Stage | None:
    """Return the `convert` stage whose file `stage` measured."""
    converts = run.find("convert")
    if len(converts) == 1:
        return converts[0]
    return next((c for c in converts if _uses(stage, c)), None)


def _uses(stage: Stage, convert: Stage) -> bool:
    made = {pathlib.PurePath(str(value)).name for value in convert.outputs.values()}
    used = {pathlib.PurePath(str(value)).name for value in stage.inputs.values()}
    return bool(made & used)


def _file(
    stage: Stage, measured_in: Sequence[Stage], *, recipe: str | None = None
) -> TfliteFile:
    """Gather what the stages in `measured_in` say of the file that `stage` made."""
    readers = [other.details for other in measured_in]
    made = _found(readers, *FILE)
    seen = _found(readers, "inspection")
    seen = seen if seen.values else made
    sizes = (made, seen)
    is_file = stage.kind == "convert"
    return TfliteFile(
        stage=stage.name,
        path=made.text("path") or _output(stage),
        recipe=made.text("recipe") or _recipe(stage) or recipe,
        file_bytes=_first(
            *(reader.number("size_bytes", "file_bytes") for reader in sizes),
            stage.file_bytes if is_file else None,
        ),
        gzip_bytes=_first(
            *(reader.number("gzip_bytes") for reader in sizes),
            stage.gzip_bytes if is_file else None,
        ),
        operators=_counts(seen, "operator_counts", "operators"),
        tensor_types=_counts(seen, "tensor_types"),
        float_operators=tuple(made.texts("float_operators")),
        inputs=_tensors(seen, "inputs"),
        outputs=_tensors(seen, "outputs"),
        latencies=tuple(read_latency(b) for d in readers for b in d.items("benchmark")),
        gpu=_gpu(seen.inside("gpu").inside("delegates")),
    )


def _found(readers: Sequence[Reader], *keys: str) -> Reader:
    """Return the first object under one of `keys`; an empty one if there is none."""
    inner = [reader.inside(*keys) for reader in readers]
    return next((reader for reader in inner if reader.values), inner[0])


def _counts(reader: Reader, *keys: str) -> tuple[tuple[str, int], ...]:
    """Read `{name: count}`, or a list of names or of objects, most frequent first."""
    key = next((key for key in keys if reader.values.get(key)), keys[0])
    found = reader.values.get(key)
    if isinstance(found, Mapping):
        inner = reader.inside(key)
        counts = {name: inner.count(name) for name in inner.values}
    elif isinstance(found, list):
        counts = dict(collections.Counter(_name(reader, key, item) for item in found))
    else:
        return ()
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _name(reader: Reader, key: str, item: object) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping):
        inner = Reader(reader.file, item, reader.at(key))
        return inner.text("name") or "unknown"
    return reader.refuse(key, item, "a name or an object with one")


def _tensors(reader: Reader, key: str) -> tuple[str, ...]:
    """Describe each input or output: name, type and shape."""
    if not isinstance(reader.values.get(key), list):
        return ()
    lines = []
    for item in reader.items(key):
        shape = formats.shape(item.values.get("shape"))
        kind = item.text("dtype") or ""
        lines.append(" ".join(filter(None, [item.text("name"), kind, shape])))
    return tuple(lines)


def _gpu(delegates: Reader) -> tuple[str, ...]:
    """Say in a line what each GPU delegate takes, and what blocks it."""
    lines = []
    for name in delegates.values:
        found = delegates.inside(name)
        counts = f"{found.count('taken')} of {found.count('total')} operators"
        blockers = found.items("blockers") if found.values.get("blockers") else []
        reasons = [
            f"{item.text('name')}: {item.text('reason') or item.text('wrong')} "
            f"({item.text('hint')})"
            for item in blockers
        ]
        words = [f"{name.replace('_', ' ')} takes {counts}", *dict.fromkeys(reasons)]
        lines.append("; ".join(words))
    return tuple(lines)


def _output(stage: Stage) -> str | None:
    paths = [str(value) for value in stage.outputs.values()]
    return next((path for path in paths if path.endswith(".tflite")), None)


def _recipe(stage: Stage) -> str | None:
    recipe = stage.config.get("recipe") if stage.kind == "convert" else None
    return str(recipe) if recipe is not None else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
