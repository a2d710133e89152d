"""Run directories to report on: the fixture, and variants of it."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

FASHION = pathlib.Path(__file__).parent / "fixtures" / "fashion"
SEARCH = FASHION.parent / "search"  # a network, and an AMC search with baselines

HOSTILE = (
    "<img src=x onerror=alert(1)> \"&' | `x` ]]> </style><script>alert(2)</script>"
)


def copy(
    folder: pathlib.Path, name: str = "run", *, of: pathlib.Path = FASHION
) -> pathlib.Path:
    """Copy a fixture run, so that a test may change it."""
    return pathlib.Path(shutil.copytree(of, folder / name))


def edit(path: pathlib.Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change one record in place."""
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def fail_parity(run: pathlib.Path) -> None:
    """Make the fixture's check fail, with the layers to blame."""

    def change(record: dict[str, Any]) -> None:
        parity = record["details"]["parity"]
        parity.update(passed=False, top1_agreement=0.71, snr_db=7.25)
        parity["reasons"] = ["top-1 agreement 0.7100 is below 0.98"]
        parity["tflite"]["value"] = 0.7096
        parity["worst_layers"] = [{"layer": "res2_conv1", "snr_db": 3.14}]
        record.update(passed=False, verdict="top-1 agreement 0.7100 is below 0.98")

    edit(run / "verify.json", change)


def name_everything(run: pathlib.Path, name: str) -> None:
    """Write `name` into every place of the records that a user can name."""

    def in_run(record: dict[str, Any]) -> None:
        record.update(name=name, command=name)
        record["environment"] = {name: name}
        record["workflow"] = {name: name}
        record["dataset"].update(name=name, class_names=[name], task=name)

    def in_slim(record: dict[str, Any]) -> None:
        record.update(config={name: name})
        record["channels"] = [
            {"group": name, "layers": [name], "before": 4, "after": 2}
        ]
        fold = {"layer": name, "into": name, "exact": 1, "interior": 0, "lost": 0}
        texts = {"pinned": {name: name}, "unknown": {name: name}, "notes": [name]}
        record["surgery"] = {**texts, "folded": [fold]}
        record["history"][name] = [0.1, 0.2]

    def in_verify(record: dict[str, Any]) -> None:
        parity = record["details"]["parity"]
        parity.update(passed=False, reasons=[name], per_class_drop={name: 0.1})
        parity["worst_layers"] = [{"layer": name, "snr_db": 1.0}]
        for side in ("keras", "tflite"):
            parity[side].update(metric=name, worst_class=[name, 0.1])

    def in_convert(record: dict[str, Any]) -> None:
        record["details"]["conversion"].update(path=name, recipe=name)
        inspection = record["details"]["inspection"]
        inspection.update(operator_counts={name: 1}, tensor_types={name: 1})
        inspection["inputs"][0]["name"] = name

    changes = {
        "run": in_run,
        "slim": in_slim,
        "verify": in_verify,
        "convert": in_convert,
    }
    for file, change in changes.items():
        edit(run / f"{file}.json", change)


def name_the_search(run: pathlib.Path, name: str) -> None:
    """Write `name` into every place of a search's record that a user can name."""

    def change(record: dict[str, Any]) -> None:
        search = record["details"]["search"]
        search.update(metric=name, reward=name, notes=[name])
        for decision in search["decisions"]:
            decision.update(group=name, layers=[name])
        for method in search["baselines"]:
            method["method"] = name

    edit(run / "amc.json", change)
