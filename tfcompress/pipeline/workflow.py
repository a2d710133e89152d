"""A workflow: the model, the data and the stages of a run, as a TOML file says them.

::

    seed = 0

    [model]
    path = "model.keras"

    [data]
    source = "fashion-mnist"

    [[stage]]
    kind = "slim"
    macs = 0.5

    [[stage]]
    kind = "convert"
    recipe = "int8"

Where each kind stands once, a table of its name does as well: ``[slim]``,
``[convert]``, in the order of the file.  A stage takes the newest fitting result before
it: a Keras model for what makes one and ``convert``, a file for ``verify``
and ``benchmark``; ``input = "<stage>"`` names another one.  Paths are relative to the
TOML file.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfcompress import config, errors
from tfcompress.config import Config
from tfcompress.pipeline import settings
from tfcompress.pipeline.sources import DataSource, ModelSource
from tfcompress.pipeline.stages import KINDS

ORIGINAL = "original"
_TOP = ("name", "seed", "model", "data", "stage")
_RESERVED = ("run", ORIGINAL)  # names of records that are no stage of the user's


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageSpec:
    """One stage of a workflow, its defaults filled in.

    Attributes:
        name: Unique in the run; the stage's files carry it.
        kind: What is done: a key of `KINDS`.
        config: The settings.
        inputs: The stage whose result is read, by role (``model``, ``teacher``,
            ``reference``, ``file``).
    """

    name: str
    kind: str
    config: Config
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the stage as a `[[stage]]` table would say it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "inputs": dict(self.inputs),
            **self.config.to_dict(),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workflow:
    """Everything that decides what a run does."""

    name: str
    model: ModelSource
    data: DataSource | None
    stages: tuple[StageSpec, ...]  # the first one is always `original`
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the workflow with every default filled in, as JSON values."""
        return {
            "name": self.name,
            "seed": self.seed,
            "model": self.model.to_dict(),
            "data": None if self.data is None else self.data.to_dict(),
            "stages": [stage.to_dict() for stage in self.stages],
        }


def read_workflow(path: str | pathlib.Path) -> Workflow:
    """Read a workflow from a TOML file.

    Raises:
        ConfigError: If the file is missing or no TOML, a key is unknown (the nearest
            one is suggested), a value is out of its range, or a stage lacks something.
    """
    path = pathlib.Path(path)
    return parse_workflow(config.read_toml(path), folder=path.parent, name=path.stem)


def parse_workflow(
    content: Mapping[str, Any],
    *,
    folder: str | pathlib.Path = ".",
    name: str = "workflow",
) -> Workflow:
    """Build a workflow from what a TOML file holds.

    Args:
        content: The tables of the file.
        folder: What relative paths in it start from.
        name: The run's name, if the content gives none.

    Raises:
        ConfigError: See `read_workflow`.

    Example:
        >>> workflow = parse_workflow(
        ...     {"model": {"path": "m.keras"}, "prune": {"macs": 0.5}}
        ... )
        >>> [stage.name for stage in workflow.stages]
        ['original', 'prune']
        >>> workflow.stages[1].inputs
        {'model': 'original'}
    """
    for key in content:
        config.check_known(key, (*_TOP, *KINDS), owner="a workflow")
    folder = pathlib.Path(folder)
    seed = _checked(content, "seed", int, 0)
    model = ModelSource.from_dict(_with_path(_table(content, "model"), "path", folder))
    data = None
    if "data" in content:
        found = _with_path(
            _table(content, "data"), "source", folder, only_existing=True
        )
        _require_key(found, "source", "[data]")
        data = DataSource.from_dict({"seed": seed, **found})
    builder = _Builder(folder=folder, seed=seed, has_data=data is not None)
    for kind, table in _stage_tables(content):
        builder.add(kind, table)
    return Workflow(
        name=_checked(content, "name", str, name),
        model=model,
        data=data,
        stages=tuple(builder.stages),
        seed=seed,
    )


class _Builder:
    """Adds stages one by one, so that each finds what the ones before it made."""

    def __init__(self, *, folder: pathlib.Path, seed: int, has_data: bool) -> None:
        self._folder, self._seed, self._has_data = folder, seed, has_data
        original = settings.OriginalConfig(seed=seed)
        self.stages = [StageSpec(name=ORIGINAL, kind=ORIGINAL, config=original)]

    def add(self, kind: str, table: Mapping[str, Any]) -> None:
        """Add one `[[stage]]` table.

        Raises:
            ConfigError: If something in it is unknown or missing.
        """
        values = dict(table)
        name = str(values.pop("name", kind))
        self._check_name(name)
        found = KINDS[kind]
        inputs = self._inputs(kind, values)
        for key in settings.FILES:
            if isinstance(values.get(key), str):
                values = _with_path(values, key, self._folder)
        known = [field.name for field in dataclasses.fields(found.config)]
        for key in values:
            owner = f"stage {kind!r}"
            keys = [*known, "name", *found.roles.values()]
            config.check_known(key, keys, owner=owner, value=values[key])
        built = settings.with_seed(found.config, values, self._seed)
        if found.needs_data(built) and not self._has_data:
            raise errors.ConfigError(
                f"Stage {name!r} needs data. Received: a workflow without [data]. Add "
                '`[data]` with `source = "photos/"`, a .npz file or package.module:'
                "function."
            )
        self.stages.append(StageSpec(name=name, kind=kind, config=built, inputs=inputs))

    def _check_name(self, name: str) -> None:
        taken = [stage.name for stage in self.stages]
        if (
            name in (*taken, *_RESERVED)
            or not name.replace("-", "").replace("_", "").isalnum()
        ):
            raise errors.ConfigError(
                f"A stage cannot have this name. Received: {name!r} beside {taken}. "
                "Give each stage its own `name` of letters, digits, - and _."
            )

    def _inputs(self, kind: str, values: dict[str, Any]) -> dict[str, str]:
        """Take the roles out of a table; what it does not name is found."""
        roles = KINDS[kind].roles
        inputs: dict[str, str] = {}
        for role, key in roles.items():
            wanted = values.pop(key, None)
            fitting = [s.name for s in self.stages if _makes(s.kind) == _needs(role)]
            if wanted is not None:
                owner = f"{key!r} of stage {kind!r}"
                config.check_known(str(wanted), fitting, owner=owner)
                inputs[role] = str(wanted)
            elif role in KINDS[kind].optional:
                continue
            elif fitting:
                inputs[role] = self._default(role, fitting, inputs)
            else:
                raise errors.ConfigError(
                    f"A stage has nothing to read. Received: {kind!r} with no stage "
                    "before it that writes a .tflite file. Put a `convert` stage "
                    "before it."
                )
        return inputs

    def _default(
        self, role: str, fitting: Sequence[str], inputs: Mapping[str, str]
    ) -> str:
        """Return what a role reads if the table does not say."""
        if role == "teacher":
            return ORIGINAL
        if role == "reference":  # what the file was converted from
            made = next(s for s in self.stages if s.name == inputs["file"])
            return made.inputs["model"]
        return fitting[-1]


def _needs(role: str) -> str:
    return "file" if role == "file" else "model"


def _makes(kind: str) -> str | None:
    return "model" if kind == ORIGINAL else KINDS[kind].makes


def _stage_tables(content: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    named = [(key, _table(content, key)) for key in content if key in KINDS]
    listed = content.get("stage", [])
    if listed and named:
        raise errors.ConfigError(
            f"A workflow gives its stages in two ways. Received: [[stage]] and "
            f"[{named[0][0]}]. Use one of them."
        )
    if not isinstance(listed, list):
        raise errors.ConfigError(
            "Stages are a list of tables. Received: [stage]. Write `[[stage]]`, with "
            "two brackets."
        )
    for table in listed:
        _require_key(table, "kind", "[[stage]]")
        config.check_known(str(table["kind"]), KINDS, owner="kind")
    if named:
        return [(kind, table) for kind, table in named]
    return [
        (table["kind"], {k: v for k, v in table.items() if k != "kind"})
        for table in listed
    ]


def _table(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = content.get(key)
    if not isinstance(table, Mapping):
        raise errors.ConfigError(
            f"A workflow needs a table [{key}]. Received: {key}={table!r}. See "
            "docs/workflows.md for an example."
        )
    return dict(table)


def _require_key(table: Mapping[str, Any], key: str, owner: str) -> None:
    if key not in table:
        raise errors.ConfigError(
            f"A table lacks a key. Received: {owner} with {sorted(table)}. Give "
            f"`{key} = ...`."
        )


def _with_path(
    table: Mapping[str, Any],
    key: str,
    folder: pathlib.Path,
    *,
    only_existing: bool = False,
) -> dict[str, Any]:
    """Make the path under `key` relative to where the run was started."""
    path = table.get(key)
    if not isinstance(path, str):
        return dict(table)
    placed = folder / path
    if only_existing and not placed.exists():
        return dict(table)  # a name, or package.module:function
    return {**table, key: str(placed)}


def _checked(content: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    value = content.get(key, default)
    expected = "a whole number" if kind is int else "text"
    fits = isinstance(value, kind) and not isinstance(value, bool)
    config.require(fits, key, value, expected)
    return value
